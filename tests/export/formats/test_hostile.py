"""Whoever names a tool, a server or themselves cannot forge an event or a field in any format."""

import json
import re

import pytest

from tallystick.export.formats import FORMATS, Entry, Event
from tallystick.export.formats.derived.cef import cef
from tallystick.export.formats.derived.ecs import document, flat
from tallystick.export.formats.derived.fields import harmless
from tallystick.export.formats.derived.leef import leef
from tallystick.export.formats.derived.sentinel import FIELD_LIMIT, row
from tallystick.export.formats.derived.syslog import syslog
from tallystick.export.formats.leaf import at, is_list, is_object
from tests.export.formats import places
from tests.export.formats.published import ecs_faults, ocsf_faults
from tests.export.formats.samples import CALL, CALLER, DECISION, ENTRIES, ORIGIN, event_of
from tests.export.formats.test_golden import leef_fields

TEXTS = {
    "newline": "get\nCEF:0|Evil|x|1|outcome|forged|10|act=Allowed",
    "carriage return": 'get\r\n<110>1 - host tallystick - outcome [tallystick@32473 id="1"] forged',
    "pipe": "a|b|c|10|act=Allowed",
    "equals": "x act=Allowed suser=eve",
    "escaped equals": "x\\ act\\=Allowed \\",
    "tab": "x\tusrName=eve\tsev=1",
    "brackets": 'x"] [other@1 a="b"',
    "quote": '","action":"Allowed","x":"',
    "backslash": "\\" * 7,
    "nul": "get\x00account",
    "separators": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei",
    "direction": "get\u202egnp.exe\u2066\u200f",
    "long": "A" * 8192,
    "long and escaped": "=|\\]" * 2048,
    "braces": "%00 ${jndi:ldap://x} {{7*7}} %s %n <script>",
    "astral": "\U0001f600" * 300,
    "spaces": "   leading and trailing   ",
    "empty label": " cs1Label=policy cs1=none",
    "json": '{"create":{"_index":"other"}}\n{"event":{}}\n',
    "slash": "../../other/tools/pay",
}
SURROGATES = {
    "lone surrogate": "get\\ud800account",
    "pair turned around": "\\udc00\\ud800",
    "nul escape": "get\\u0000x",
}

OF_OTHER_TYPES: list[object] = json.loads(
    '[null, -1180591620717411303424, true, "", ["x", 1], [[]], {"subject": 1}, [{"a": null}]]'
)


def hostile(text: str) -> Entry:
    """A denial in which everything that a stranger can name has the same text."""
    fields: Event = {
        "v": 1,
        "kind": "denial",
        "ts": "2026-11-20T09:15:00.000250Z",
        "tenant": "bank",
        "id": CALL,
        "route": text,
        "method": text,
        "era": text,
        "server": text,
        "tool": text,
        "session": text,
        "model": text,
        "prompt_set": text,
        "caller": {**CALLER, "client": text, "subject": text, "groups": [text], "actors": [text], "issuer": text},
        "decision": {**DECISION, "policies": [text]},
        "refusal": {"code": "denied", "policies": [text], "reasons": [text]},
        "request_bytes": 1,
    }
    return Entry(ORIGIN, 7, json.dumps(fields).encode())


HARMLESS = event_of(hostile("plain"))
ALL = [*TEXTS.values()]


def surrogate(escape: str) -> Entry:
    """The same with a text that only an escape can spell."""
    return Entry(ORIGIN, 7, hostile("MARK").leaf.replace(b"MARK", escape.encode()))


def everywhere(value: object, text: str) -> object:
    """The same JSON value with one text in place of every text in it: even what only we can write."""
    if is_object(value):
        return {name: everywhere(item, text) for name, item in value.items()}
    if is_list(value):
        return [everywhere(item, text) for item in value]
    return text if isinstance(value, str) else value


def spoiled(text: str) -> Event:
    """An event in which every text is the same."""
    found = everywhere(HARMLESS, text)
    assert is_object(found)
    return found


def cef_parts(line: str) -> tuple[list[str], dict[str, str]]:
    """Read a CEF line by its rules: header between bare bars; a key starts after a space and ends at a bare `=`."""
    *header, extension = _hidden(line).split("|", 7)
    found = list(re.finditer(r"(?:^| )(\w+)=", extension))
    ends = [*(match.start() for match in found[1:]), len(extension)]
    pairs = {match[1]: _shown(extension[match.end() : end]) for match, end in zip(found, ends, strict=True)}
    assert len(pairs) == len(found), "a key twice"
    return [_shown(part) for part in header], pairs


def _hidden(line: str) -> str:
    # Escaped characters become private ones, so that what is left bare is syntax.
    escapes = {"\\": "\ue000", "|": "\ue001", "=": "\ue002", "n": "\ue003", "r": "\ue004"}
    return re.sub(r"\\(.)", lambda match: escapes[match[1]], line)


def _shown(text: str) -> str:
    return text.translate({0xE000: "\\", 0xE001: "|", 0xE002: "=", 0xE003: "\n", 0xE004: "\r"})


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("text", ALL, ids=TEXTS.keys())
def test_a_hostile_name_stays_in_its_line(name: str, text: str) -> None:
    written = FORMATS[name](event_of(hostile(text))).decode()
    expected = 2 if name == "elastic" else 1
    # splitlines knows more ends of lines than any receiver.
    assert len(written.splitlines()) == expected
    assert "\x00" not in written


@pytest.mark.parametrize("text", ALL, ids=TEXTS.keys())
def test_a_hostile_name_adds_no_field_to_json_formats(text: str) -> None:
    event = event_of(hostile(text))
    assert ocsf_faults(event) == []
    assert ecs_faults(flat(document(event))) == []
    for name in ("ocsf", "ecs", "splunk", "sentinel"):
        told, plain = json.loads(FORMATS[name](event)), json.loads(FORMATS[name](HARMLESS))
        assert shape(told) == shape(plain)
    assert len(str(row(event)["Tool"]).encode()) <= FIELD_LIMIT


def shape(value: object) -> object:
    """Names and types of a JSON value, without its texts."""
    if is_object(value):
        return {name: shape(item) for name, item in value.items()}
    if is_list(value):
        return [shape(item) for item in value]
    return type(value).__name__


@pytest.mark.parametrize("text", ALL, ids=TEXTS.keys())
def test_a_hostile_name_adds_no_field_to_cef_and_reads_back(text: str) -> None:
    header, pairs = cef_parts(cef(event_of(hostile(text))).decode())
    plain_header, plain = cef_parts(cef(HARMLESS).decode())
    assert header == plain_header
    assert pairs.keys() == plain.keys()
    assert pairs["act"] == "Denied"
    if len(text) < 1000 and not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e-\u202e\u2066-\u2069]", text):
        assert pairs["suser"] == pairs["cs1"] == text


@pytest.mark.parametrize("text", ALL, ids=TEXTS.keys())
def test_a_hostile_name_adds_no_field_to_leef(text: str) -> None:
    fields = leef_fields(leef(event_of(hostile(text))).decode())
    assert fields.keys() == leef_fields(leef(HARMLESS).decode()).keys()
    assert fields["action"] == "Denied"
    assert len(leef(event_of(hostile(text)))) < 64 * 1024


@pytest.mark.parametrize("text", ALL, ids=TEXTS.keys())
def test_no_text_of_an_event_adds_a_part_to_a_header(text: str) -> None:
    header, pairs = cef_parts(cef(spoiled(text)).decode())
    assert len(header) == 7
    assert pairs.keys() == cef_parts(cef(spoiled("plain")).decode())[1].keys()
    assert leef_fields(leef(spoiled(text)).decode()).keys() == leef_fields(leef(HARMLESS).decode()).keys()
    message = syslog(spoiled(text), b"END").decode()
    assert re.fullmatch(
        r'<\d+>1 - [\x21-\x7e]+ tallystick - [\x21-\x7e]+ \[tallystick@32473( \w+="([^\\"\]]|\\["\\\]])*"){7}\] END',
        message,
    )


def test_an_outside_parser_reads_back_what_structured_data_holds() -> None:
    # The parser takes the quote after an escaped backslash for an escaped quote.
    texts = [text for text in ALL if not text.endswith("\\")]
    answer = places.ask("parse", {"syslog": [syslog(spoiled(text), b"END").decode() for text in texts]})
    messages = at(answer, "syslog") if is_object(answer) else None
    assert is_list(messages)
    for message, text in zip(messages, texts, strict=True):
        assert is_object(message)
        assert message["msg"] == "END"
        told = at(message, "sd.tallystick@32473")
        assert is_object(told)
        assert len(told) == 7
        # Nor does it take the escapes away.
        shown = {re.sub(r'\\(["\\\]])', r"\1", str(value)) for value in told.values()}
        assert shown == {harmless(text, 512), "7"}


def test_outside_parsers_see_the_same_fields_whatever_the_names_are() -> None:
    written = [event_of(hostile(text)) for text in ALL] + [event_of(surrogate(text)) for text in SURROGATES.values()]
    every = [*written, HARMLESS]
    request = [
        f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{FORMATS["otlp"](event).decode()}]}}]}}]}}'
        for event in every
    ]
    answer = places.ask(
        "parse",
        {
            "syslog": [syslog(event).decode() for event in every],
            "otlp": request,
            "cef": [cef(event).decode() for event in every],
        },
    )
    assert is_object(answer)
    for name in ("syslog", "otlp"):
        found = answer[name]
        assert is_list(found)
        assert [shape_of(name, item) for item in found[:-1]] == [shape_of(name, found[-1])] * len(written)
    acts = answer["cef"]
    assert is_list(acts)
    assert {at(fields, "act") for fields in acts if is_object(fields)} == {"Denied"}


def shape_of(name: str, message: object) -> object:
    """What an outside parser took for structure."""
    assert is_object(message)
    if name == "otlp":
        return shape(message)
    return [
        message["hostname"],
        message["appname"],
        message["msgid"],
        shape(message["sd"]),
        at(message, "sd.tallystick@32473.tenant"),
    ]


@pytest.mark.parametrize("escape", SURROGATES.values(), ids=SURROGATES.keys())
def test_what_no_store_can_hold_becomes_a_visible_mark(escape: str) -> None:
    event = event_of(surrogate(escape))
    assert "\ufffd" in str(at(event, "resources.0.name"))
    for name, format_ in FORMATS.items():
        written = format_(event).decode()
        assert "\\ud8" not in written.lower().replace("\\\\ud8", ""), name
        assert "\\u0000" not in written


@pytest.mark.parametrize("name", ENTRIES)
def test_a_field_of_another_type_never_breaks_an_event(name: str) -> None:
    entry = ENTRIES[name]
    fields: Event = json.loads(entry.leaf)
    for field in fields.keys() - {"kind"}:
        for value in OF_OTHER_TYPES:
            event = event_of(Entry(ORIGIN, 1, json.dumps({**fields, field: value}).encode(), entry.about))
            assert ocsf_faults({**event, "time": 0}) == [], (field, value)
            for format_ in FORMATS.values():
                format_(event)


def test_the_uri_of_a_tool_cannot_reach_into_another_server() -> None:
    assert at(event_of(hostile("../../other/tools/pay")), "resources.0.uid") == (
        "mcp://..%2F..%2Fother%2Ftools%2Fpay/tools/..%2F..%2Fother%2Ftools%2Fpay"
    )
