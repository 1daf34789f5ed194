"""Every shipped detection finds what it is for, leaves alone what is close to it, and compiles for each SIEM."""

import re
from uuid import UUID

import pytest

from tallystick.export.formats.derived.ecs import ROWS as ECS_ROWS
from tallystick.export.formats.derived.sentinel import COLUMNS, TABLE
from tallystick.export.formats.leaf import at, is_list, is_object
from tallystick.settings import parse_document
from tests.export.detections import compiled
from tests.export.detections.cases import CASES, flat
from tests.export.formats.places import ask, ask_kql

RULES = compiled.rules()
ALERTS = [(name, case) for name, cases in CASES.items() for case in cases]
"""Each is tried on what Splunk, Elastic and Sentinel hold of the same events."""


def documents(name: str) -> list[dict[str, object]]:
    """The documents of a rule's file: the rule, or the single event and the correlation that counts it."""
    parsed = [parse_document(f"{name}.yml", text.encode()) for text in RULES[name].split("---\n")]
    return [document for document in parsed if is_object(document)]


def test_every_rule_has_events_that_it_finds_and_events_that_it_leaves_alone() -> None:
    assert CASES.keys() == RULES.keys()
    assert len(RULES) >= 12
    for cases in CASES.values():
        assert "match" in cases
        assert any(not case.startswith("match") for case in cases)


@pytest.mark.parametrize("siem", compiled.FORMS)
@pytest.mark.parametrize(("name", "case"), ALERTS)
def test_the_compiled_rule_finds_what_it_is_for_and_nothing_else(name: str, case: str, siem: str) -> None:
    alerts = at(compiled.answer(), f"found.{siem}.{name}")
    assert is_object(alerts)
    assert alerts[case] == (1 if case.startswith("match") else 0)


def test_the_checked_in_queries_are_what_the_compilers_write() -> None:
    written = compiled.files()
    there = {path.relative_to(compiled.FOLDER).as_posix() for path in compiled.FOLDER.glob("compiled/*/*")}
    assert there == written.keys()
    stale = [place for place, query in written.items() if (compiled.FOLDER / place).read_text() != query]
    assert stale == [], "python -m tests.export.detections.compiled writes them anew"


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_what_a_reader_of_its_alert_has_to_know(name: str) -> None:
    rule = documents(name)[-1]
    assert str(UUID(str(rule["id"]))) == rule["id"]
    assert rule["level"] in {"low", "medium", "high", "critical"}
    for part in ("falsepositives", "references", "tags"):
        told = rule[part]
        assert is_list(told)
        assert told
    references = rule["references"]
    assert is_list(references)
    for reference in references:
        assert re.match(r"https://(air-governance-framework\.finos\.org|atlas\.mitre\.org)/", str(reference))
    assert len(str(rule["description"]).split()) >= 8


def test_the_validators_of_sigma_find_nothing() -> None:
    assert ask("lint", list(RULES.values())) == []


def test_the_validators_of_sigma_find_what_is_wrong() -> None:
    text = RULES["breakglass_used"]
    faults = ask("lint", [text, text.replace("    metadata", '    unused: "**"\n    metadata')])
    assert is_list(faults)
    assert {"IdentifierCollisionIssue", "DoubleWildcardIssue"} <= set(re.findall(r"\w+", str(faults)))


def kql_faults(queries: dict[str, str]) -> dict[str, object]:
    """What the parser of KQL has against queries over our table."""
    columns = [[column.row.target, "bool" if column.type == "boolean" else column.type] for column in COLUMNS]
    found = ask_kql({"table": TABLE, "columns": columns, "queries": queries})
    assert is_object(found)
    return found


def test_the_parser_of_kql_accepts_each_query_over_the_columns_of_our_table() -> None:
    queries = {path.stem: path.read_text() for path in compiled.FOLDER.glob("compiled/sentinel/*.kql")}
    assert queries.keys() == RULES.keys()
    assert kql_faults(queries) == {name: [] for name in queries}


def test_the_parser_of_kql_refuses_columns_types_and_words_that_do_not_fit() -> None:
    wrong = {
        "column": f"{TABLE} | where Novel == 1",
        "type": f'{TABLE} | where HourUtc =~ "x"',
        "word": f"{TABLE} | were 1",
    }
    assert all(faults for faults in kql_faults(wrong).values())


def test_ids_and_titles_are_unique() -> None:
    every = [document for name in RULES for document in documents(name)]
    assert len({document["id"] for document in every}) == len({document["title"] for document in every}) == len(every)


def used_fields() -> set[str]:
    """Every OCSF field that a rule asks for."""
    found: set[str] = set()
    for text in RULES.values():
        found |= {name.split("|")[0] for name in re.findall(r"^ {4}([a-z_.]+(?:\|\w+)?):", text, re.MULTILINE)}
        found |= set(re.findall(r"^ {4}- ([a-z_]+\.[a-z_.]+)$", text, re.MULTILINE))
    return {name for name in found if "." in name or name in {"status_code", "status_detail", "activity_name", "count"}}


@pytest.mark.parametrize("siem", ["elastic", "sentinel"])
def test_the_pipeline_names_every_field_that_a_rule_asks_for(siem: str) -> None:
    pipeline = parse_document(f"{siem}.yml", (compiled.FOLDER / f"pipelines/{siem}.yml").read_bytes())
    assert is_object(pipeline)
    transformations = pipeline["transformations"]
    assert is_list(transformations)
    first = transformations[0]
    assert is_object(first)
    mapping = first["mapping"]
    assert is_object(mapping)
    assert used_fields() <= mapping.keys()
    known = {column.row.target for column in COLUMNS} if siem == "sentinel" else {row.target for row in ECS_ROWS}
    for target in map(str, mapping.values()):
        assert target in known or target.startswith(("labels.", "tallystick."))


def test_every_field_of_a_rule_is_in_some_event() -> None:
    there = {name for cases in CASES.values() for events in cases.values() for event in events for name in flat(event)}
    assert used_fields() <= there
