"""Bodies that two JSON readers could read differently: refused whole, and no server hears of them."""

import anyio
import pytest

from tests.attacks.advisory import holds
from tests.attacks.raw import Reply, line, post
from tests.attacks.victim import BODY, ROUTE, attack, headers_of, nothing_arrives
from tests.interaction.record import told
from tests.interaction.stage import Stage
from tests.interaction.waiting import BOUND_S

pytestmark = pytest.mark.anyio

_NAME = b'"name": "echo"'
_TEXT = b'"attack"'


def _value(text: bytes) -> bytes:
    return BODY.replace(_TEXT, text)


AMBIGUOUS: dict[str, bytes] = {
    "GHSA-9v4w-3mqh-6vmm byte-order mark": b"\xef\xbb\xbf" + BODY,
    "GHSA-9v4w-3mqh-6vmm byte-order mark inside": b" \xef\xbb\xbf" + BODY,
    "GHSA-9v4w-3mqh-6vmm UTF-16": BODY.decode().encode("utf-16"),
    "GHSA-9v4w-3mqh-6vmm UTF-16 without a mark": BODY.decode().encode("utf-16-le"),
    "GHSA-9v4w-3mqh-6vmm UTF-32": BODY.decode().encode("utf-32-be"),
    "GHSA-9v4w-3mqh-6vmm UTF-7": BODY.replace(_TEXT, b'"+AGE-"').replace(b"{", b"+AHs-", 1),
    "GHSA-4gph-2hhr-5mwg case of a parameter": BODY.replace(_NAME, b'"name": "echo", "Name": "add"'),
    "GHSA-4gph-2hhr-5mwg case of the method": BODY.replace(b'"method"', b'"METHOD": "ping", "method"'),
    "GHSA-4gph-2hhr-5mwg long s": BODY.replace(_NAME, '"name": "echo", "argument\u017f": {}'.encode()),
    "GHSA-4gph-2hhr-5mwg long s in the envelope": BODY.replace(b'"params"', '"param\u017f": {}, "params"'.encode()),
    "GHSA-4gph-2hhr-5mwg escaped long s": BODY.replace(b'"params"', b'"param\\u017f": {}, "params"'),
    "CVE-2026-27896 case of _meta": BODY.replace(b'"_meta"', b'"_Meta": {}, "_meta"'),
    "CVE-2026-27896 case inside _meta": BODY.replace(
        b'"io.modelcontextprotocol/protocolVersion"',
        b'"io.modelcontextprotocol/ProtocolVersion": "x", "io.modelcontextprotocol/protocolVersion"',
    ),
    "CVE-2026-27896 case of the id": BODY.replace(b'"id"', b'"ID": 2, "id"'),
    "GHSA-4gph-2hhr-5mwg a key twice": BODY.replace(_NAME, b'"name": "add", "name": "echo"'),
    "GHSA-4gph-2hhr-5mwg a key twice, escaped": BODY.replace(_NAME, b'"name": "add", "n\\u0061me": "echo"'),
    "GHSA-4gph-2hhr-5mwg a key twice in the arguments": BODY.replace(b'"text"', b'"text": 1, "text"'),
    "GHSA-4gph-2hhr-5mwg a key twice far inside": _value(b'{"a": [{"b": 1, "b": 1}]}'),
    "GHSA-4gph-2hhr-5mwg the method twice": BODY.replace(b'"method"', b'"method": "ping", "method"'),
    "a high surrogate alone": _value(b'"\\ud800"'),
    "a low surrogate alone": _value(b'"\\udc00"'),
    "surrogates in the wrong order": _value(b'"\\udc00\\ud800"'),
    "a surrogate alone in a key": BODY.replace(b'"text"', b'"\\ud800": 1, "text"'),
    "a surrogate in UTF-8": _value(b'"\xed\xa0\x80"'),
    "an overlong character": _value(b'"\xc0\xaf"'),
    "a byte that is no UTF-8": _value(b'"\xff"'),
    "arrays too deep": _value(b"[" * 65 + b"]" * 65),
    "objects too deep": _value(b'{"a":' * 65 + b"1" + b"}" * 65),
    "arrays far too deep": _value(b"[" * 30_000),
    "1e400": _value(b"1e400"),
    "-1e400": _value(b"-1e400"),
    "NaN": _value(b"NaN"),
    "Infinity": _value(b"-Infinity"),
    "a number with a zero in front": _value(b"01"),
    "a number with a plus": _value(b"+1"),
    "a number in hexadecimal": _value(b"0x10"),
    "a number without digits": _value(b"1."),
    "a number of 5000 digits": _value(b"1" * 5000),
    "a control character": _value(b'"\x01"'),
    "a line break": _value(b'"\n"'),
    "NUL": _value(b'"\0"'),
    "an escape that there is not": _value(b'"\\x41"'),
    "single quotes": _value(b"'attack'"),
    "a comment": BODY.replace(b"{", b"{/* */", 1),
    "a comma too many": _value(b'"attack",'),
    "a batch": b"[" + BODY + b"]",
    "two messages": BODY + b"\n" + BODY,
    "AGW 1.4.0 note bytes behind": BODY + b"x",
    "AGW 1.4.0 note NUL behind": BODY + b"\0",
    "AGW 1.4.0 note half a message": BODY[:-5],
    "another version of JSON-RPC": BODY.replace(b'"2.0"', b'"2.00"'),
    "the version as a number": BODY.replace(b'"2.0"', b"2.0"),
    "an id that is a float": BODY.replace(b'"id": 1', b'"id": 1.0'),
    "an id that is null": BODY.replace(b'"id": 1', b'"id": null'),
    "an id that is a list": BODY.replace(b'"id": 1', b'"id": [1]'),
    "CVE-2025-53365 arguments that are a list": BODY.replace(b'{"text": "attack"}', b'["attack"]'),
    "CVE-2025-53365 parameters that are a list": BODY.replace(b'"params": {', b'"params": [], "parms": {'),
    "CVE-2025-53366 _meta that is a text": BODY.replace(b'"_meta": {', b'"_meta": "x", "meta": {'),
    "CVE-2025-53366 nothing": b"",
    "CVE-2025-53366 a text": b'"x"',
    "GHSA-345p-7cg4-v4c7 a response that nobody asked for": b'{"jsonrpc":"2.0","id":1,"result":{}}',
}


def _is_refused(answer: Reply) -> bool:
    return answer.status == 400 and set(answer.reasons) <= {"malformed", "meta_missing", "header_mismatch"}


@pytest.mark.parametrize("what", AMBIGUOUS)
async def test_a_body_with_two_readings_is_refused(stage: Stage, what: str) -> None:
    with nothing_arrives(stage):
        answer = await attack(stage, body=AMBIGUOUS[what])
    assert _is_refused(answer), answer
    assert b"attack" not in answer.body


async def test_agw_1_4_0_note_a_body_over_the_limit_is_never_judged_by_its_beginning(stage: Stage) -> None:
    padded = BODY + b" " * 65_536
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (BODY, b" " * 65_536)) + b"0\r\n\r\n"
    with nothing_arrives(stage):
        assert (await attack(stage, body=padded)).reasons == ["too_large"]
        unlengthed = {"content-length": None, "transfer-encoding": "chunked"}
        assert (await attack(stage, unlengthed, chunked)).reasons == ["too_large"]


CUT_OFF: dict[str, tuple[dict[str, str | None], bytes]] = {
    "of a length": ({"content-length": str(len(BODY) + 10)}, BODY),
    "of a great length": ({"content-length": str(len(BODY) + 100_000)}, BODY),
    "in chunks": ({"content-length": None, "transfer-encoding": "chunked"}, b"%x\r\n%b\r\n" % (len(BODY), BODY)),
}


@pytest.mark.parametrize(("framing", "sent"), CUT_OFF.values(), ids=CUT_OFF.keys())
async def test_agw_1_4_0_note_a_body_that_breaks_off_is_never_judged_by_its_beginning(
    stage: Stage, framing: dict[str, str | None], sent: bytes
) -> None:
    record = stage.record("platform")
    start = await record.mark()
    with nothing_arrives(stage):
        async with line(stage.url) as connection:
            await connection.write(post(f"/{ROUTE}/mcp", {**headers_of(stage), **framing}, sent))
        lines: list[str] = []
        with anyio.fail_after(BOUND_S):
            while not {"denial - malformed", "intent tools/call"}.intersection(lines):
                lines = told(await record.since(start))
    assert "intent tools/call" not in lines


@pytest.mark.parametrize(
    "kind",
    [
        *("application/json-patch+json", "text/json", "application/jsonp", "application/json,text/html", "text/plain"),
        *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json-rpc", "*/*", ""),
        *("application/xjson", "application /json", "json", "application/json\xa0", None),
    ],
)
@holds("toolhive #6234 class")
async def test_cve_2026_33252_another_content_type_is_refused(stage: Stage, kind: str | None) -> None:
    with nothing_arrives(stage):
        answer = await attack(stage, {"content-type": kind})
    assert (answer.status, answer.reasons) == (400, ["malformed"])


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "iso-8859-1"])
async def test_a_charset_changes_nothing_because_json_has_one(stage: Stage, charset: str) -> None:
    answer = await attack(stage, {"content-type": f"application/json; charset={charset}"})
    assert answer.status in {200, 400}
    with nothing_arrives(stage):
        encoded = BODY.decode().encode(charset)
        if encoded != BODY:
            answer = await attack(stage, {"content-type": f"application/json; charset={charset}"}, encoded)
            assert (answer.status, answer.reasons) == (400, ["malformed"])
