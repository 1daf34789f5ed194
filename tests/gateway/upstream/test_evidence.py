"""What a server's answer shows about its era (2026-07-28, basic/versioning), over HTTP."""

import pytest

from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, MODERN
from tests.gateway.upstream.remote import SESSIONS, Ask, Asked, Wire, follow, linked, remote, result

pytestmark = pytest.mark.anyio


def _error(code: int, named: bytes = b"null") -> bytes:
    details = b'"data":{"supported":%b,"requested":"?"}' % named
    return b'{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":"",%b}}' % (code, details)


MODERN_ANSWERS = {
    "a result of this era": ("200 OK", b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"}}', "spoken"),
    "a result of any era": ("200 OK", b'{"jsonrpc":"2.0","id":1,"result":{}}', "unknown"),
    "a header that does not match": ("400 Bad Request", _error(-32020), "spoken"),
    "a capability that is missing": ("400 Bad Request", _error(-32021), "spoken"),
    "a version that it does not speak": ("400 Bad Request", _error(-32022), "spoken"),
    "no version at all": ("400 Bad Request", _error(-32022, b"[]"), "spoken"),
    "the very version": ("400 Bad Request", _error(-32022, b'["2027-01-01","2026-07-28"]'), "not_taken"),
    "versions with sessions": ("400 Bad Request", _error(-32022, b'["2025-11-25","2025-06-18"]'), "not_spoken"),
    "later versions": ("400 Bad Request", _error(-32022, b'["2027-01-01"]'), "not_spoken"),
    "no words for versions": ("400 Bad Request", _error(-32022, b"[1]"), "spoken"),
    "no such method": ("404 Not Found", _error(-32601), "spoken"),
    "no such method, with success": ("200 OK", _error(-32601), "unknown"),
    "wrong parameters": ("400 Bad Request", _error(-32602), "unknown"),
    "no session id": ("400 Bad Request", _error(-32600), "not_spoken"),
    "not initialized": ("400 Bad Request", _error(-32000), "not_spoken"),
    "a page": ("400 Bad Request", b"<html>", "not_spoken"),
    "nothing": ("404 Not Found", b"", "not_spoken"),
    "no POST": ("405 Method Not Allowed", b"", "not_spoken"),
    "no token": ("401 Unauthorized", b"", "unknown"),
    "no right": ("403 Forbidden", _error(-32000), "unknown"),
    "a failure": ("500 Internal Server Error", b"", "unknown"),
}


@pytest.mark.parametrize(("status", "body", "shown"), MODERN_ANSWERS.values(), ids=MODERN_ANSWERS.keys())
async def test_what_a_request_without_a_session_shows(status: str, body: bytes, shown: str) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.answer(body, status)

    async with remote(handler) as server, linked(server) as transport:
        call = await transport.begin(Ask().outbound(), ERAS[MODERN])
        assert not isinstance(call, Refusal)
        assert call.evidence == "unknown", "nothing has come yet"
        await follow(call, Ask().outbound())
        assert call.evidence == shown


OPENINGS = {
    "no such method": ("404 Not Found", _error(-32601), True),
    "no such method, with success": ("200 OK", _error(-32601), True),
    "no such version": ("400 Bad Request", _error(-32022), True),
    "no such page": ("404 Not Found", b"", True),
    "no POST": ("405 Method Not Allowed", b"", True),
    "no token": ("401 Unauthorized", b"", False),
    "no right": ("403 Forbidden", b"", False),
    "a failure": ("500 Internal Server Error", b"", False),
    "wrong parameters": ("400 Bad Request", _error(-32602), False),
}


@pytest.mark.parametrize(("status", "body", "is_evidence"), OPENINGS.values(), ids=OPENINGS.keys())
async def test_what_a_refused_opening_shows(status: str, body: bytes, *, is_evidence: bool) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.answer(body, status)

    ask = Ask(version=SESSIONS)
    async with remote(handler) as server, linked(server) as transport:
        call = await transport.begin(ask.outbound(), ERAS[SESSIONS])
        assert [asked.message["method"] for asked in server.asked] == ["initialize"]
        if not is_evidence:
            assert isinstance(call, Refusal)
            assert call.reasons == (Reason.UPSTREAM_UNREACHABLE,)
            return
        assert not isinstance(call, Refusal)
        assert call.evidence == "not_spoken"
        await follow(call, ask.outbound())


async def test_a_header_that_the_tool_asks_for_says_what_the_argument_says() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.answer(result(asked))

    ask = Ask(
        params={"name": "t", "arguments": {"region": "eu \u20ac", "deep": {"n": 7}, "absent": None}},
        param_headers={"mcp-param-region": "us", "mcp-param-absent": "x", "mcp-param-other": "kept"},
        mirrored=(
            ("Mcp-Param-Region", ("region",)),
            ("Mcp-Param-N", ("deep", "n")),
            ("Mcp-Param-Absent", ("absent",)),
        ),
    )
    async with remote(handler) as server, linked(server) as transport:
        for _ in range(2):
            call = await transport.begin(ask.outbound(), ERAS[MODERN])
            assert not isinstance(call, Refusal)
            await follow(call, ask.outbound())
        for asked in server.asked:
            assert asked.header("mcp-param-region") == "=?base64?ZXUg4oKs?="
            assert asked.header("mcp-param-n") == "7"
            assert asked.header("mcp-param-absent") is None
            assert asked.header("mcp-param-other") == "kept"
            assert asked.header("mcp-name") == "t"
