"""Servers that refuse the version of a request and name what they speak instead (2026-07-28, basic/versioning)."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.gateway.upstream.stdio import supervision
from tallystick.terms import Refusal
from tallystick.wire import Reply
from tests.gateway.bridge.peer import MODERN, SESSIONS
from tests.gateway.bridge.stage import PINNED, Json, Party
from tests.gateway.upstream.remote import Asked, Remote, Wire, linked, remote, result

pytestmark = pytest.mark.anyio
OLDER = "2025-06-18"
CALL: Json = {"name": "t", "arguments": {}}


@dataclass(slots=True)
class Picky:
    """A server of the versions in `speaks`; it refuses as many requests more as `refusals` says, naming `names`."""

    speaks: tuple[str, ...]
    names: tuple[str, ...]
    refusals: float = 0
    run: list[str] = field(default_factory=list[str])

    async def handle(self, asked: Asked, wire: Wire) -> None:
        """Answer a request."""
        if not asked.body or "id" not in asked.message:
            await wire.answer(b"", "202 Accepted")
            return
        method, version = str(asked.message["method"]), asked.header("mcp-protocol-version")
        params = asked.message["params"]
        assert isinstance(params, dict)
        version = version or str(params.get("protocolVersion"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON
        if version not in self.speaks or self.refusals > 0:
            self.refusals -= 1
            error: Json = {"code": -32022, "message": "no", "data": {"supported": self.names, "requested": version}}
            body = {"jsonrpc": "2.0", "id": asked.message["id"], "error": error}
            await wire.answer(json.dumps(body).encode(), "400 Bad Request")
            return
        self.run.append(method)
        opened: Json = {**PINNED, "protocolVersion": version, "resultType": "complete", "supportedVersions": [MODERN]}
        await wire.answer(result(asked, opened if method in ("initialize", "server/discover") else {"content": []}))


@asynccontextmanager
async def _behind(picky: Picky, *pinned: str) -> AsyncGenerator[tuple[Bridge, Remote]]:
    async with remote(picky.handle) as server, linked(server) as transport, supervision() as supervising:
        bridge = Bridge("picky", transport, dict.fromkeys(pinned, PINNED), supervising, Setting(Park(drawn)))
        yield bridge, server
        bridge.close()


async def _call(bridge: Bridge, era: str) -> Reply:
    end = await bridge.ask(Party(era).outbound("tools/call", CALL))
    assert isinstance(end, Reply), end
    return end


@pytest.mark.parametrize("client", [MODERN, SESSIONS])
async def test_a_request_that_was_not_taken_is_sent_once_more(client: str) -> None:
    picky = Picky((MODERN,), (MODERN,), refusals=1)
    async with _behind(picky, MODERN) as (bridge, server):
        assert (await _call(bridge, client)).kind == "result"
        first, second = server.calls("tools/call")
        assert first.message["id"] != second.message["id"]
        assert first.message["params"] == second.message["params"]
        assert bridge.health.eras == (MODERN,)
    assert picky.run == ["tools/call"]


async def test_a_server_that_goes_on_refusing_what_it_names_is_asked_no_third_time() -> None:
    picky = Picky((), (MODERN,))
    async with _behind(picky, MODERN) as (bridge, server):
        assert (await _call(bridge, MODERN)).rpc_code == -32022
        assert len(server.calls("tools/call")) == len(server.asked) == 2
        assert bridge.health.eras == (MODERN,)


@pytest.mark.parametrize("client", [MODERN, SESSIONS])
@pytest.mark.parametrize("named", [(SESSIONS,), ("2025-03-26", OLDER, SESSIONS), ("2027-01-01",)])
async def test_a_server_that_names_no_version_of_the_era_is_asked_in_the_other(
    client: str, named: tuple[str, ...]
) -> None:
    picky = Picky((SESSIONS,), named)
    async with _behind(picky, MODERN) as (bridge, server):
        assert (await _call(bridge, client)).kind == "result"
        assert bridge.health.eras == (SESSIONS,)
        refused = [asked for asked in server.calls("tools/call") if asked.header("mcp-protocol-version") == MODERN]
        assert len(refused) == 1
    assert picky.run.count("tools/call") == 1


@pytest.mark.parametrize("client", [MODERN, SESSIONS])
async def test_a_server_that_names_the_stateless_version_is_asked_in_that(client: str) -> None:
    picky = Picky((MODERN,), (MODERN,))
    async with _behind(picky, SESSIONS) as (bridge, server):
        assert (await _call(bridge, client)).kind == "result"
        assert bridge.health.eras == (MODERN,)
        assert len(server.calls("tools/call")) == 1


async def test_a_session_is_opened_in_an_older_version_that_the_server_names() -> None:
    picky = Picky((OLDER,), ("2024-11-05", OLDER))
    async with _behind(picky, SESSIONS) as (bridge, server):
        assert (await _call(bridge, SESSIONS)).kind == "result"
        assert [asked.header("mcp-protocol-version") for asked in server.calls("tools/call")] == [OLDER]
        assert len(server.calls("initialize")) == 2


@pytest.mark.parametrize("refusals", [1, float("inf")])
async def test_an_opening_that_was_not_taken_is_asked_once_more(refusals: float) -> None:
    async with _behind(Picky((MODERN,), (MODERN,), refusals)) as (bridge, server):
        said = await bridge.introduce(Party(MODERN).outbound("server/discover", {}))
        assert not isinstance(said, Refusal)
        assert said.kind == ("result" if refusals == 1 else "rpc_error")
        assert len(server.asked) == 2


async def test_an_opening_that_settles_on_a_version_without_sessions_opens_none() -> None:
    async def settle(asked: Asked, wire: Wire) -> None:
        method = asked.message["method"]
        said: Json = {"protocolVersion": MODERN, "resultType": "complete", "content": []}
        if method == "server/discover":
            said |= {"supportedVersions": [MODERN], "capabilities": {}}
        await wire.answer(result(asked, said))

    async with remote(settle) as server, linked(server) as transport, supervision() as supervising:
        bridge = Bridge("settling", transport, {SESSIONS: PINNED}, supervising, Setting(Park(drawn)))
        assert (await _call(bridge, SESSIONS)).kind == "result"
        assert bridge.health.eras == (MODERN,)
        (called,) = server.calls("tools/call")
        assert called.header("mcp-protocol-version") == MODERN
        assert server.calls("notifications/initialized") == []
        bridge.close()
