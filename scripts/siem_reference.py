"""The reference page of the SIEM formats, out of the tables that the formats are made from."""

import json
from collections.abc import Iterable, Iterator, Mapping
from inspect import getdoc
from pathlib import Path

import yaml

from tallystick.export.formats import calls, changes
from tallystick.export.formats.derived import cef, ecs, leef, otlp, sentinel, splunk, syslog
from tallystick.export.formats.derived.fields import Row
from tallystick.export.formats.derived.formats import FORMATS
from tallystick.export.formats.ocsf import INTENT
from tallystick.export.formats.parts import OCSF_VERSION

_INTRO = f"""# SIEM formats

Every leaf becomes one event of the Open Cybersecurity Schema Framework (OCSF {OCSF_VERSION}); each other format is
derived from that event and says nothing that it does not say. An event never holds arguments, results or prompts, nor
commitments to them.

A sink names its format: {", ".join(f"`{name}`" for name in sorted(FORMATS))}.

## What every event has

| OCSF field | meaning |
| --- | --- |
| `metadata.uid` | id of the event, out of origin and index of the leaf: the same each time, so drop repeats by it |
| `metadata.sequence` | index of the leaf; one log has no holes |
| `metadata.log_name` | origin of the log (`<host>/<tenant>/<year>`) |
| `metadata.tenant_uid` | tenant |
| `metadata.event_code` | kind of the leaf |
| `metadata.correlation_uid` | the call; all events of a call share it |
| `unmapped.tlog` | origin, index and leaf hash: finds and proves the leaf (`tally audit proof`) |
| `unmapped.tally` | what the kind of leaf has beyond OCSF, and the hour and weekday in UTC for rules |

A text is cut where its format asks for it. Lone surrogates and NUL become U+FFFD; in CEF, LEEF and the structured
data of syslog so does every other control character and every mark that turns the reading direction around. JSON is
in ASCII, so no name can end a line.

Parts that a sink's `mask` names leave as pseudonyms (`masked:` and 32 hex digits of HMAC-SHA-256): the same text gives
the same pseudonym, so rules that count and join still work.

## Which leaf becomes which event

| leaf | event |
| --- | --- |"""

_CALLS = {
    "outcome": calls.outcome,
    "denial": calls.denial,
    "in_doubt": calls.in_doubt,
    "approval": changes.approval,
}


def siem_page(root: Path) -> str:
    """Kinds of leaves and fields of formats."""
    lines = [_INTRO, f"| `intent` | none: {INTENT} |"]
    for name, build in {**_CALLS, **changes.CHANGES}.items():
        lines.append(f"| `{name}` | {' '.join((getdoc(build) or '').split())} |")
    rows = [row.row for row in cef.ROWS]
    labels = {row.row.target: row.label for row in cef.ROWS if row.label}
    lines += _section("CEF", cef.__doc__, rows, labels)
    lines += ["", "| id | name |", "| --- | --- |", *(f"| `{kind}` | {name} |" for kind, name in cef.NAMES.items())]
    lines += _section("ECS and Elastic", ecs.__doc__, ecs.ROWS)
    lines += _section("LEEF", leef.__doc__, leef.ROWS)
    lines += _section("Microsoft Sentinel", sentinel.__doc__, (column.row for column in sentinel.COLUMNS))
    lines += ["", "Templates: [table](sentinel-table.json), [data collection rule](sentinel-rule.json)."]
    lines += _section("OTLP", otlp.__doc__, otlp.ROWS)
    indexed = [Row(name, (path,), "indexed field") for name, path in splunk.FIELDS.items()]
    lines += _section("Splunk", splunk.__doc__, indexed)
    lines += _section("Syslog", syslog.__doc__, syslog.ROWS)
    return "\n".join([*lines, "", *_detections(root), ""])


def templates() -> dict[str, str]:
    """ARM templates of what Microsoft Sentinel needs to take our rows."""
    found = {"sentinel-table.json": sentinel.table(), "sentinel-rule.json": sentinel.collection_rule()}
    return {name: json.dumps(template, indent=2) + "\n" for name, template in found.items()}


def _section(title: str, doc: str | None, rows: Iterable[Row], labels: Mapping[str, str] | None = None) -> list[str]:
    said = (doc or "").replace(" Pure.", "").strip()
    lines = [
        "",
        f"## {title}",
        "",
        said,
        "",
        "| field | out of (the first that is there) | meaning |",
        "| --- | --- | --- |",
    ]
    for target, paths, says in rows:
        label = (labels or {}).get(target)
        name = f"`{target}`" + (f" (label `{label}`)" if label else "")
        lines.append(f"| {name} | {', '.join(f'`{path}`' for path in paths)} | {says} |")
    return lines


def _detections(root: Path) -> Iterator[str]:
    yield "## Detections\n"
    yield "Each is a Sigma rule in `tallystick/export/detections/rules`."
    yield "How to use them: [detections](../how-to/detections.md).\n"
    yield "| rule | level | finds |"
    yield "| --- | --- | --- |"
    for path in sorted((root / "src/tallystick/export/detections/rules").glob("*.yml")):
        *_, rule = yaml.safe_load_all(path.read_text())
        yield f"| `{path.stem}` | {rule['level']} | {' '.join(rule['description'].split())} |"
