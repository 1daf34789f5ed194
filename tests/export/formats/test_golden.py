"""What sinks send is in golden files, and parsers by other people read them as they were meant."""

import json
import re
from collections.abc import Iterator

import pytest

from tallystick.export.formats import FORMATS, collection_rule, table
from tallystick.export.formats.derived.ecs import document, flat
from tallystick.export.formats.derived.sentinel import COLUMNS, STREAM, TABLE, row
from tallystick.export.formats.leaf import at, is_list, is_object
from tests.export.formats import golden, places
from tests.export.formats.published import ecs_faults, ocsf_faults
from tests.export.formats.samples import ENTRIES, LEAVES, events

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "datetime": (str,),
    "int": (int,),
    "long": (int,),
    "boolean": (bool,),
    "dynamic": (dict, list),
}


def lines(name: str) -> list[str]:
    """Lines of the golden file of a format."""
    return (golden.FOLDER / f"{name}.txt").read_text().split("\n")[:-1]


def parsed(name: str, texts: list[str]) -> list[dict[str, object]]:
    """What an outside parser makes of texts."""
    answer = places.ask("parse", {name: texts})
    assert is_object(answer)
    found = answer[name]
    assert is_list(found)
    return [item for item in found if is_object(item)]


def test_the_golden_files_are_what_the_code_writes() -> None:
    written = golden.files()
    assert {path.name for path in golden.FOLDER.iterdir()} == written.keys()
    stale = [name for name, content in written.items() if (golden.FOLDER / name).read_bytes() != content]
    assert stale == [], "python -m tests.export.formats.golden writes them anew"


@pytest.mark.parametrize("name", FORMATS)
def test_each_event_is_one_line(name: str) -> None:
    assert len(lines(name)) == len(ENTRIES) * (2 if name == "elastic" else 1)


def test_the_lines_of_ocsf_are_valid_events() -> None:
    assert [fault for line in lines("ocsf") for fault in ocsf_faults(json.loads(line))] == []


@pytest.mark.parametrize("name", ENTRIES)
def test_a_document_holds_only_fields_of_ecs_with_their_types_and_values(name: str) -> None:
    assert ecs_faults(flat(document(events()[name]))) == []


def test_the_checker_of_ecs_finds_what_is_wrong() -> None:
    good = flat(document(events()["outcome"]))
    for name, value in (("event.kind", "party"), ("novel", "x"), ("event.severity", "1"), ("user.id", ["a"])):
        assert len(ecs_faults({**good, name: value})) == 1
    assert ecs_faults({**good, "labels": {"a": 1}})


def test_elastic_creates_each_document_under_the_id_of_its_event() -> None:
    pairs = list(zip(lines("elastic")[::2], lines("elastic")[1::2], strict=True))
    for (action, text), event in zip(pairs, events().values(), strict=True):
        uid = at(event, "metadata.uid")
        assert json.loads(action) == {"create": {"_index": "logs-mcp.audit-default", "_id": uid}}
        assert at(json.loads(text), "event.id") == uid


def test_pycef_reads_our_cef() -> None:
    for fields, event in zip(parsed("cef", lines("cef")), events().values(), strict=True):
        assert fields["DeviceVendor"] == "Tallystick"
        assert fields["DeviceEventClassID"] == at(event, "metadata.event_code")
        assert fields["externalId"] == at(event, "metadata.uid")
        # pycef gives a custom key the name of its label.
        assert fields["leafIndex"] == str(at(event, "metadata.sequence"))
        assert fields["tenant"] == "bank"
        assert fields["rt"] == str(event["time"])


def test_the_keys_of_cef_are_labelled_and_short_enough() -> None:
    for line in lines("cef"):
        for key in re.findall(r" (c[ns]\d)=", line):
            assert f" {key}Label=" in line


def leef_fields(line: str) -> dict[str, str]:
    """Read a LEEF 2.0 line as its guide says: seven parts, then pairs between the separators."""
    header, vendor, product, version, event_id, separator, rest = line.split("|", 6)
    assert (header, vendor, product, version, separator) == ("LEEF:2.0", "Tallystick", "Tallystick", "1", "x09")
    pairs = [part.split("=", 1) for part in rest.split("\t")]
    assert all(len(pair) == 2 for pair in pairs)
    return {"id": event_id, **{name: value for name, value in pairs}}  # noqa: C416 - pairs are lists of two


def test_leef_reads_back() -> None:
    for line, event in zip(lines("leef"), events().values(), strict=True):
        fields = leef_fields(line)
        assert fields["eventUid"] == at(event, "metadata.uid")
        assert fields["id"] == at(event, "metadata.event_code")
        assert fields["devTime"] == str(event["time"])
        assert 1 <= int(fields["sev"]) <= 10


@pytest.mark.parametrize("name", ["syslog", "syslog-cef", "syslog-leef"])
def test_an_rfc_5424_parser_reads_our_messages(name: str) -> None:
    for message, event in zip(parsed("syslog", lines(name)), events().values(), strict=True):
        assert (message["appname"], message["facility"]) == ("tallystick", "audit")
        assert message["msgid"] == at(event, "metadata.event_code")
        assert message["hostname"] == "audit.bank.example"
        told = at({"sd": message["sd"]}, "sd.tallystick@32473")
        assert is_object(told)
        assert told["id"] == at(event, "metadata.uid")
        assert told["index"] == str(at(event, "metadata.sequence"))
        assert told["leaf"] == at(event, "unmapped.tlog.leaf_hash")
        text = str(message["msg"])
        assert {"syslog": "{", "syslog-cef": "CEF:0|", "syslog-leef": "LEEF:2.0|"}[name] == text[
            : len(text.split("|", maxsplit=1)[0]) + 1
        ] or (json.loads(text) == event)


def objects_in(text: str) -> Iterator[object]:
    """Objects that stand one after the other, as Splunk reads a body."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        found, place = decoder.raw_decode(text, place)
        yield found


def test_splunk_reads_a_body_of_events_without_anything_between_them() -> None:
    body = "".join(lines("splunk"))
    for envelope, event in zip(objects_in(body), events().values(), strict=True):
        assert is_object(envelope)
        assert envelope["event"] == event
        assert envelope["sourcetype"] == "mcp:audit:ocsf"
        assert envelope["time"] == pytest.approx(float(str(event["time"])) / 1000)
        fields = envelope["fields"]
        assert is_object(fields)
        assert all(isinstance(value, str) for value in fields.values())


@pytest.mark.parametrize("name", ENTRIES)
def test_a_row_of_sentinel_fits_the_columns_of_its_table(name: str) -> None:
    types = {column.row.target: column.type for column in COLUMNS}
    for target, value in row(events()[name]).items():
        assert isinstance(value, _PYTHON_TYPES[types[target]]), target
        assert isinstance(value, bool) == (types[target] == "boolean")


def test_the_templates_of_sentinel_declare_the_same_columns_for_table_and_rule() -> None:
    of_table = at(table(), "resources.0.properties.schema.columns")
    of_rule = at(collection_rule(), f"resources.0.properties.streamDeclarations.{STREAM}.columns")
    assert is_list(of_table)
    assert is_list(of_rule)
    named = [(at(found, "name"), str(at(found, "type")).lower()) for found in of_table if is_object(found)]
    assert named == [(at(found, "name"), at(found, "type")) for found in of_rule if is_object(found)]
    assert ("TimeGenerated", "datetime") in named
    flow = at(collection_rule(), "resources.0.properties.dataFlows.0")
    assert is_object(flow)
    assert (flow["outputStream"], flow["streams"]) == (STREAM, [STREAM])


def test_the_columns_of_sentinel_have_names_that_the_service_takes() -> None:
    # Names that Log Analytics keeps for itself, whatever their case.
    reserved = {
        "tenantid",
        "type",
        "id",
        "title",
        "_resourceid",
        "_subscriptionid",
        "_timereceived",
        "mg",
        "sourcesystem",
    }
    names = [column.row.target for column in COLUMNS]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{1,44}", name)
        assert name.lower() not in reserved
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{3,58}_CL", TABLE)


def test_protobuf_reads_our_otlp_and_loses_nothing() -> None:
    text = (golden.FOLDER / "otlp-request.json").read_text()
    (request,) = parsed("otlp", [text])
    records = at(request, "resourceLogs.0.scopeLogs.0.logRecords")
    assert is_list(records)
    for record, event in zip(records, events().values(), strict=True):
        assert is_object(record)
        assert record["timeUnixNano"] == f"{event['time']}000000"
        attributes = record["attributes"]
        assert is_list(attributes)
        told = {at(pair, "key"): at(pair, "value") for pair in attributes if is_object(pair)}
        assert told["log.record.uid"] == {"stringValue": at(event, "metadata.uid")}
        assert told["tallystick.log.index"] == {"intValue": str(at(event, "metadata.sequence"))}
    assert at(records[0], "eventName") == "mcp.tool.call" if is_object(records[0]) else False


def test_otlp_joins_the_trace_of_the_call() -> None:
    first = json.loads(lines("otlp")[list(LEAVES).index("outcome")])
    assert first["traceId"] == "0af7651916cd43dd8448eb211c80319c"
