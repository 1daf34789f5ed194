"""The HTTP envelope: tokens, Host and Origin, size, strict JSON, headers that repeat the body.

Nothing that is refused here reaches a server.
"""

import json
from collections.abc import MutableMapping

import httpx2
import msgspec
import pytest

from tallystick.gateway import Admission, Front
from tallystick.wiring.compose import clock
from tests.interaction.record import told
from tests.interaction.stage import (
    MODERN,
    Json,
    Stage,
    envelope,
    error_of,
    index_of,
    modern,
    new_http,
    reasons_of,
    text_of,
)
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

ROUTE = "servers/desk"
_CALL: Json = {"name": "echo", "arguments": {"text": "envelope"}}
_HEADERS = envelope("tools/call", _CALL)
_BODY = modern("tools/call", _CALL)

MISMATCHES: dict[str, dict[str, str | None]] = {
    "another method": {"mcp-method": "tools/list"},
    "no method": {"mcp-method": None},
    "another name": {"mcp-name": "add"},
    "no name": {"mcp-name": None},
    "another version": {"mcp-protocol-version": "2025-11-25"},
    "no version": {"mcp-protocol-version": None},
    "an encoded other name": {"mcp-name": "=?base64?YWRk?="},
}
BODIES: dict[str, bytes] = {
    "a key twice": _BODY.replace(b'"name": "echo"', b'"name": "add", "name": "echo"'),
    "an argument twice": _BODY.replace(b'"text"', b'"text": "other", "text"'),
    "a method twice": _BODY.replace(b'"method"', b'"method": "ping", "method"'),
    "a byte-order mark": b"\xef\xbb\xbf" + _BODY,
    "UTF-16": _BODY.decode().encode("utf-16"),
    "a key in other letters": _BODY.replace(b'"name": "echo"', b'"name": "echo", "Name": "add"'),
    "a key with a Kelvin sign": _BODY.replace(b'"jsonrpc"', '"to\u212aen": 1, "METHOD": "x", "jsonrpc"'.encode()),
    "a batch": b"[" + _BODY + b"]",
    "two messages": _BODY + _BODY,
    "not a number": _BODY.replace(b'"envelope"', b"NaN"),
    "half a surrogate pair": _BODY.replace(b'"envelope"', b'"\\ud800"'),
    "deep nesting": _BODY.replace(b'"envelope"', b"[" * 70 + b"]" * 70),
    "no JSON": b"{",
    "nothing": b"",
    "arguments that are a list": _BODY.replace(b'{"text": "envelope"}', b'["envelope"]'),
}


async def _status(stage: Stage, **changes: object) -> httpx2.Response:
    headers = changes.get("headers")
    body = changes.get("body")
    return await stage.post(
        ROUTE,
        "tools/call",
        _CALL,
        headers=msgspec.convert(headers, dict[str, str | None]) if headers else None,
        body=body if isinstance(body, bytes) else None,
    )


@requirement("envelope:headers:repeat-the-body", "envelope:nothing-forwarded")
@pytest.mark.parametrize("what", MISMATCHES)
async def test_a_header_that_contradicts_the_body_is_refused(stage: Stage, what: str) -> None:
    before = stage.world.journal("desk").text()
    answer = await _status(stage, headers=MISMATCHES[what])
    assert answer.status_code == 400
    assert reasons_of(answer) == ["header_mismatch"]
    assert stage.world.journal("desk").text() == before


@requirement("envelope:headers:repeat-the-body")
@pytest.mark.parametrize("name", ["mcp-method", "mcp-name", "mcp-protocol-version", "authorization", "mcp-session-id"])
async def test_a_routing_header_that_comes_twice_is_refused(stage: Stage, name: str) -> None:
    before = stage.world.journal("desk").text()
    sent = {**_HEADERS, "authorization": f"Bearer {stage.token()}"}
    pairs = [(key, value) for key, value in sent.items() if value is not None]
    pairs += [(name, value) for value in (sent.get(name) or "x",) * (1 if name in sent else 2)]
    async with new_http() as http:
        answer = await http.post(stage.endpoint(ROUTE), content=_BODY, headers=pairs)
    assert (answer.status_code, reasons_of(answer)) == (400, ["header_mismatch"])
    assert stage.world.journal("desk").text() == before


@requirement("envelope:json:strict", "envelope:nothing-forwarded")
async def test_a_body_with_more_than_one_reading_is_refused_and_recorded(stage: Stage) -> None:
    record, before = stage.record("platform"), stage.world.journal("desk").text()
    start = await record.mark()
    for what, body in BODIES.items():
        answer = await _status(stage, body=body)
        assert (what, answer.status_code, reasons_of(answer)) == (what, 400, ["malformed"])
    assert told(await record.since(start)) == ["denial - malformed"] * len(BODIES)
    assert stage.world.journal("desk").text() == before


@requirement("envelope:json:canonical")
async def test_what_is_forwarded_is_what_was_judged(stage: Stage) -> None:
    params = msgspec.convert(msgspec.json.decode(_BODY, type=Json)["params"], Json)
    odd = (
        '  {"id" : 1,"jsonrpc":"2.0", "params": {"_meta": %s, "arguments":{"text":"\\u0065nvelop\\u0065 \\/"},'
        ' "name":"echo"},"method":"tools/call"}'
    )
    written = odd % json.dumps(params["_meta"])
    answer = await _status(stage, body=written.encode())
    assert text_of(answer) == "envelope /"
    assert stage.world.journal("desk").calls("echo", text="envelope /") == 1


@requirement("envelope:size")
@pytest.mark.parametrize("length", [65_537, 1_000_000])
async def test_a_body_over_the_limit_is_refused_whole(stage: Stage, length: int) -> None:
    before = stage.world.journal("desk").text()
    answer = await _status(stage, body=_BODY + b" " * (length - len(_BODY)))
    assert (answer.status_code, reasons_of(answer)) == (413, ["too_large"])
    assert stage.world.journal("desk").text() == before
    fits = await _status(stage, body=_BODY + b" " * (65_536 - len(_BODY)))
    assert text_of(fits) == "envelope"


@requirement("envelope:host-and-origin")
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1/?#", "", "127.0.0.1.evil.example"]
)
async def test_another_host_is_refused(stage: Stage, host: str) -> None:
    before = stage.world.journal("desk").text()
    answer = await _status(stage, headers={"host": host})
    assert answer.status_code in {400, 421}
    assert stage.world.journal("desk").text() == before


@requirement("envelope:host-and-origin")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", ""])
async def test_a_page_of_a_browser_is_refused(stage: Stage, origin: str) -> None:
    answer = await _status(stage, headers={"origin": origin})
    assert (answer.status_code, reasons_of(answer)) == (403, ["origin_refused"])


@requirement("envelope:host-and-origin")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"here.example")], None),
        ([(b"host", b"HERE.example"), (b"origin", b"https://here.example")], None),
        ([(b"host", b"evil.example")], 421),
        ([], 421),
        ([(b"host", b"here.example"), (b"origin", b"https://evil.example")], 403),
    ],
)
async def test_what_is_no_mcp_is_for_the_same_hosts_and_pages(
    stage: Stage, headers: list[tuple[bytes, bytes]], status: int | None
) -> None:
    front = Front(
        stage.gateway.rooms, Admission(frozenset({"here.example"}), frozenset({"https://here.example"}), 1 << 10)
    )
    sent: list[object] = []

    async def send(event: MutableMapping[str, object]) -> None:
        sent.append(event.get("status"))

    may_pass = await front.check({"headers": headers, "client": ("127.0.0.1", 1)}, send)
    assert (may_pass, sent[:1]) == (status is None, [] if status is None else [status])


@requirement("envelope:content-type")
@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/json-seq"])
async def test_another_content_type_is_refused(stage: Stage, kind: str | None) -> None:
    answer = await _status(stage, headers={"content-type": kind})
    assert (answer.status_code, reasons_of(answer)) == (400, ["malformed"])


@requirement("envelope:verbs")
@pytest.mark.parametrize("verb", ["PUT", "PATCH", "OPTIONS", "HEAD"])
async def test_another_verb_is_not_allowed(stage: Stage, verb: str) -> None:
    async with new_http() as http:
        answer = await http.request(verb, stage.endpoint(ROUTE))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, GET, DELETE")


@requirement("envelope:verbs")
@pytest.mark.parametrize("verb", ["GET", "DELETE"])
async def test_the_era_without_sessions_has_no_verb_but_post(stage: Stage, verb: str) -> None:
    async with new_http({"mcp-protocol-version": MODERN, "authorization": f"Bearer {stage.token()}"}) as http:
        assert (await http.request(verb, stage.endpoint(ROUTE))).status_code == 405


@requirement("identity:token:refused", "identity:metadata")
async def test_a_bad_token_is_refused_with_a_challenge_that_leads_to_the_issuer(stage: Stage) -> None:
    now = int(clock())
    bad = {
        "token_missing": None,
        "token_invalid": "Bearer nonsense",
        "token_expired": "Bearer " + stage.token(iat=now - 7200, exp=now - 3600),
        "audience_wrong": "Bearer " + stage.token(aud="https://elsewhere.example"),
        "issuer_unknown": "Bearer " + stage.token(iss="https://unknown.example"),
        "tenant_unknown": "Bearer " + stage.token(tenant="nobodys"),
    }
    record, before = stage.record("platform"), stage.world.journal("desk").text()
    start = await record.mark()
    for reason, authorization in bad.items():
        answer = await _status(stage, headers={"authorization": authorization})
        assert (answer.status_code, reasons_of(answer)) == (401, [reason])
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith("Bearer ")
        assert ("error=" in challenge) == (reason != "token_missing")
        assert f'resource_metadata="{stage.url}/.well-known/oauth-protected-resource/servers/desk/mcp"' in challenge
    assert told(await record.since(start)) == [f"denial tools/call {reason}" for reason in bad]
    assert stage.world.journal("desk").text() == before


@requirement("identity:token:refused")
async def test_a_stranger_is_told_a_number_that_is_the_same_for_routes_that_exist_and_that_do_not(stage: Stage) -> None:
    """The record that tells of strangers is nobody's: a number of a tenant's would tell that there is a route."""
    nothing = {"authorization": None}
    told = [
        index_of(await stage.post(route, "tools/list", headers=nothing))
        for route in (ROUTE, "servers/nowhere", "toolsets/desks", ROUTE)
    ]
    assert told == list(range(told[0], told[0] + 4))


@requirement("identity:token:audience")
async def test_a_token_for_one_route_opens_no_other(stage: Stage) -> None:
    own = stage.token(aud=stage.endpoint(ROUTE))
    assert text_of(await stage.call(ROUTE, "echo", {"text": "own"}, token=own)) == "own"
    answer = await stage.call("toolsets/desks", "desk__echo", {"text": "other"}, token=own)
    assert (answer.status_code, reasons_of(answer)) == (401, ["audience_wrong"])


@requirement("identity:metadata")
@pytest.mark.parametrize("path", ["", "/servers/desk/mcp", "/toolsets/desks/mcp", "/servers/nobodys/mcp"])
async def test_metadata_names_the_resource_and_its_issuer_and_not_whether_the_route_exists(
    stage: Stage, path: str
) -> None:
    async with new_http() as http:
        answer = await http.get(f"{stage.url}/.well-known/oauth-protected-resource{path}")
    document = msgspec.json.decode(answer.content, type=Json)
    assert (answer.status_code, document["resource"]) == (200, f"{stage.url}{path}")
    assert document["authorization_servers"] == [stage.world.issuer.issuer]


@requirement("routes:exact")
@pytest.mark.parametrize(
    "path",
    [
        "/servers/desk",
        "/servers/desk/mcp/",
        "/servers/desk/sse",
        "/servers//mcp",
        "/SERVERS/desk/mcp",
        "/x/servers/desk/mcp",
    ],
)
async def test_only_the_exact_path_is_an_endpoint(stage: Stage, path: str) -> None:
    before = stage.world.journal("desk").text()
    async with new_http({"authorization": f"Bearer {stage.token()}"}) as http:
        answer = await http.post(stage.url + path, content=_BODY)
    assert answer.status_code == 404
    assert stage.world.journal("desk").text() == before


@requirement("envelope:responses")
async def test_a_response_nobody_asked_for_is_refused(stage: Stage) -> None:
    answer = await _status(stage, body=b'{"jsonrpc":"2.0","id":1,"result":{}}')
    assert (answer.status_code, reasons_of(answer)) == (400, ["malformed"])
    assert stage.url.removeprefix("http://") not in str(error_of(answer))
