"""What `tally pin` makes of servers that refuse the version of a request, or settle on another one."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tallystick.terms import TallyError
from tallystick.wire import MODERN
from tallystick.wiring import pin
from tests.gateway.upstream.remote import SESSIONS, Asked, Remote, Wire, remote, result
from tests.interaction.configuration import http, write, write_server

pytestmark = pytest.mark.anyio
Json = dict[str, object]
Answers = list[Json | list[str]]
OLDER = "2025-06-18"
DISCOVERED: Json = {"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {}}
TOOLS: Json = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}


@dataclass(slots=True)
class Odd:
    """A server that answers `server/discover` and `initialize` as a test says.

    An answer is a result, or the versions that it names in refusing the request; the last one stays.
    """

    discover: Answers = field(default_factory=list[Json | list[str]])
    initialize: Answers = field(default_factory=list[Json | list[str]])

    async def handle(self, asked: Asked, wire: Wire) -> None:
        """Answer a request."""
        method = asked.message.get("method") if asked.body else asked.verb
        if method == "server/discover":
            await self._open(asked, wire, self.discover)
        elif method == "initialize":
            await self._open(asked, wire, self.initialize)
        elif method == "tools/list":
            await wire.answer(result(asked, TOOLS))
        else:
            await wire.answer(b"", "202 Accepted")

    async def _open(self, asked: Asked, wire: Wire, answers: Answers) -> None:
        answer = answers.pop(0) if len(answers) > 1 else next(iter(answers), None)
        if isinstance(answer, dict):
            await wire.answer(result(asked, answer))
            return
        code = {"code": -32601, "message": "no"} if answer is None else _unsupported(answer)
        error = {"jsonrpc": "2.0", "id": asked.message["id"], "error": code}
        await wire.answer(json.dumps(error).encode(), "400 Bad Request" if answer is not None else "404 Not Found")


def _unsupported(supported: list[str]) -> Json:
    return {"code": -32022, "message": "no", "data": {"supported": supported, "requested": "?"}}


def _opened(version: str) -> Json:
    return {"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "odd", "version": "1"}}


async def _pin(server: Remote, folder: Path) -> Mapping[str, object]:
    """Pin a server, and return what was pinned of it by version."""
    write(folder, "tenants/bank.yaml", "title: Bank\n")
    write_server(folder, "odd", http(server.url), 'tools: {"*": {operation: read, risk: low}}\n')
    (pinned,) = [pinned async for pinned in pin(folder, ("odd",))]
    assert pinned.tools == {"echo": "new"}
    written = msgspec.json.decode(pinned.file.read_bytes(), type=dict[str, object])
    return msgspec.convert(written["eras"], dict[str, object])


@asynccontextmanager
async def _pinned(odd: Odd, folder: Path) -> AsyncGenerator[tuple[Remote, Mapping[str, object]]]:
    """Run a server and pin it."""
    async with remote(odd.handle) as server:
        yield server, await _pin(server, folder)


SPOKEN: tuple[tuple[Answers, Answers, set[str]], ...] = (
    ([DISCOVERED], [_opened(SESSIONS)], {MODERN, SESSIONS}),
    ([[MODERN], DISCOVERED], [_opened(SESSIONS)], {MODERN, SESSIONS}),
    ([["2027-01-01", MODERN], DISCOVERED], [], {MODERN}),
    ([[SESSIONS]], [_opened(SESSIONS)], {SESSIONS}),
    ([["2027-01-01"]], [_opened(SESSIONS)], {SESSIONS}),
    ([[]], [_opened(SESSIONS)], {SESSIONS}),
    ([DISCOVERED], [[MODERN]], {MODERN}),
    ([DISCOVERED], [_opened(MODERN)], {MODERN}),
    ([DISCOVERED], [_opened("2099-01-01")], {MODERN}),
    ([], [[OLDER], _opened(OLDER)], {SESSIONS}),
    ([], [_opened("2025-03-26")], {SESSIONS}),
    ([], [_opened("2024-11-05")], {SESSIONS}),
)


@pytest.mark.parametrize(("discover", "initialize", "eras"), SPOKEN)
async def test_a_server_is_pinned_in_each_era_that_it_speaks(
    tmp_path: Path, discover: Answers, initialize: Answers, eras: set[str]
) -> None:
    async with _pinned(Odd(list(discover), list(initialize)), tmp_path) as (_, pinned):
        assert set(pinned) == eras


async def test_a_refused_version_is_asked_once_more_and_before_another_era(tmp_path: Path) -> None:
    async with _pinned(Odd([[MODERN], DISCOVERED]), tmp_path) as (server, _):
        methods = [str(asked.message["method"]) for asked in server.asked if asked.body]
        assert methods == ["server/discover", "server/discover", "tools/list", "initialize"]
        for asked in server.calls("server/discover"):
            assert asked.header("mcp-protocol-version") == MODERN


async def test_a_server_that_refuses_what_it_names_is_not_asked_for_ever(tmp_path: Path) -> None:
    async with remote(Odd([[MODERN]], [[SESSIONS]]).handle) as server:
        with pytest.raises(TallyError, match="answers in no era"):
            await _pin(server, tmp_path)
        methods = [asked.message["method"] for asked in server.asked]
    assert methods == ["server/discover"] * 2 + ["initialize"] * 2


async def test_an_opening_without_sessions_is_left_alone(tmp_path: Path) -> None:
    async with _pinned(Odd([DISCOVERED], [_opened(MODERN)]), tmp_path) as (server, _):
        assert server.calls("notifications/initialized") == []


async def test_a_session_is_opened_in_the_version_that_the_server_names(tmp_path: Path) -> None:
    async with _pinned(Odd([], [["2024-11-05", OLDER], _opened(OLDER)]), tmp_path) as (server, _):
        asked = [msgspec.convert(one.message["params"], Json)["protocolVersion"] for one in server.calls("initialize")]
        assert asked == [SESSIONS, OLDER]
        assert server.calls("tools/list")[0].header("mcp-protocol-version") == OLDER
