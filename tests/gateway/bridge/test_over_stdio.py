"""Every era of client on every era of server, over stdio: one process each, shared by all of them."""

import anyio
import pytest

from tallystick.gateway.bridge import Bridge
from tests.gateway.bridge.peer import MODERN, SESSIONS, Peer
from tests.gateway.bridge.stage import (
    EVERYTHING,
    Party,
    ask,
    bridged,
    call,
    change,
    listening,
    use,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("server", [MODERN, SESSIONS])
async def test_clients_of_every_era_share_one_process(server: str) -> None:
    async with bridged(Peer(server), "stdio") as bridge:
        for client in (MODERN, SESSIONS, "2025-06-18"):
            await use(bridge, Party(client))
        await _tell_errors(bridge, server)
        await _tell_what_changes(bridge)
        if server == SESSIONS:
            await _ask_nobody_by_a_guess(bridge)


async def _tell_errors(bridge: Bridge, server: str) -> None:
    for client, code in ((MODERN, -32602), (SESSIONS, -32002 if server == MODERN else -32602)):
        said = await ask(bridge, Party(client), "resources/read", {"uri": "note://none"})
        assert said["code"] == code
        silent = Party(client, capabilities={})
        said = await ask(bridge, silent, "tools/call", {"name": "greet", "arguments": {}})
        assert said.get("isError") or "code" in said
        assert silent.asked == []


async def _tell_what_changes(bridge: Bridge) -> None:
    parties = Party(MODERN), Party(SESSIONS)
    async with listening(bridge, *((party, EVERYTHING) for party in parties)):
        await change(bridge, *parties)


async def _ask_nobody_by_a_guess(bridge: Bridge) -> None:
    """A process knows one client, so whose question it asks is clear only while there is a single call under way."""
    silent, other = Party(SESSIONS, capabilities={}), Party(SESSIONS)
    async with anyio.create_task_group() as group:
        group.start_soon(bridge.ask, silent.outbound("tools/call", {"name": "wait", "arguments": {}}))
        said = await ask(bridge, other, "tools/call", {"name": "greet", "arguments": {}})
        assert said["message"] == "Method not found"
        assert other.asked == silent.asked == []
        silent.cancellation.say()
    assert await call(bridge, other, "greet") == "Hello Ada"
