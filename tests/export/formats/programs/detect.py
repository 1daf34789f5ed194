"""Compiles Sigma rules for the SIEMs, and runs them over events in SQLite. JSON in and out.

In: {"rules": {name: YAML}, "pipelines": {siem: YAML}, "events": {siem: {name: {case: [flat event, ...]}}}}.
Out: {"compiled": {siem: {name: query}}, "found": {siem: {name: {case: number of alerts}}}}.
"""

import json
import sqlite3
import sys
from typing import ClassVar

from sigma.backends.elasticsearch import ESQLBackend
from sigma.backends.kusto import KustoBackend
from sigma.backends.splunk import SplunkBackend
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.processing.pipeline import ProcessingPipeline

TABLE = "Tallystick_CL"


class SentinelBackend(KustoBackend):
    """KQL over our table, with the correlations that the backend does not have yet."""

    convert_or_as_in: ClassVar[bool] = True
    correlation_methods: ClassVar = {"summarize": "summarize over a fixed window"}
    default_correlation_method: ClassVar = "summarize"
    default_correlation_query: ClassVar = {"summarize": "{search}\n{aggregate}\n{condition}"}
    correlation_search_single_rule_expression: ClassVar = "{query}"
    event_count_aggregation_expression: ClassVar = {
        "summarize": "| summarize event_count = count() by bin(TimeGenerated, {timespan}){groupby}"
    }
    value_count_aggregation_expression: ClassVar = {
        "summarize": "| summarize value_count = dcount({field}) by bin(TimeGenerated, {timespan}){groupby}"
    }
    timespan_mapping: ClassVar = {}
    groupby_expression: ClassVar = {"summarize": "{fields}"}
    groupby_expression_nofield: ClassVar = {"summarize": ""}
    groupby_field_expression: ClassVar = {"summarize": ", {field}"}
    groupby_field_expression_joiner: ClassVar = {"summarize": ""}
    event_count_condition_expression: ClassVar = {"summarize": "| where event_count {op} {count}"}
    value_count_condition_expression: ClassVar = {"summarize": "| where value_count {op} {count}"}

    def finalize_query_default(self, rule: object, query: str, index: int, state: object) -> str:
        """Name the table; the search of a correlation comes here twice."""
        return query if query.startswith(TABLE) else f"{TABLE}\n| where {query}"

    def convert_correlation_search(self, rule: SigmaCorrelationRule, **kwargs: object) -> str:
        """Name the table in the search that a correlation starts from."""
        search = super().convert_correlation_search(rule, **kwargs)
        return search if search.startswith(TABLE) else f"{TABLE}\n| where {search}"


TIMES = {
    "splunk": {"timestamp_field": "time", "timestamp_format": "unix_ms"},
    "elastic": {"timestamp_field": "@timestamp"},
    "sentinel": {"timestamp_field": "TimeGenerated"},
}
# The condition on Splunk's own field says where to look, and is about no event.
MAPPED = {"splunk": lambda text: "name: none\npriority: 50\n", "elastic": str, "sentinel": str}
BACKENDS = {"splunk": SplunkBackend, "elastic": ESQLBackend, "sentinel": SentinelBackend}


def last_query(backend: object, text: str) -> str:
    """The query of a rule; of a correlation, not that of the events it counts."""
    queries = backend.convert(SigmaCollection.from_yaml(text))
    assert len(queries) == 1, queries
    return queries[0].strip() + "\n"


def alerts(query: str, events: list, columns: list) -> int:
    """Rows that a compiled rule finds in a table of events; the table has the columns of all events there are."""
    database = sqlite3.connect(":memory:")
    database.execute(f"CREATE TABLE logs ({', '.join(f'`{name}`' for name in columns)})")
    for event in events:
        marks = ", ".join("?" for _ in columns)
        values = [event.get(name) for name in columns]
        database.execute(f"INSERT INTO logs VALUES ({marks})", values)  # noqa: S608 - marks are question marks
    return len(database.execute(query).fetchall())


question = json.load(sys.stdin)
compiled = {
    siem: {
        name: last_query(backend(ProcessingPipeline.from_yaml(question["pipelines"][siem])), text)
        for name, text in question["rules"].items()
    }
    for siem, backend in BACKENDS.items()
}
found = {}
for siem, rules in question["events"].items():
    columns = sorted({name for cases in rules.values() for events in cases.values() for one in events for name in one})
    found[siem] = {}
    for name, cases in rules.items():
        pipeline = ProcessingPipeline.from_yaml(MAPPED[siem](question["pipelines"][siem]))
        query = last_query(sqliteBackend(pipeline, **TIMES[siem]), question["rules"][name])
        found[siem][name] = {case: alerts(query, events, columns) for case, events in cases.items()}
json.dump({"compiled": compiled, "found": found}, sys.stdout)
