"""Every era of client on every era of server, over HTTP: what works directly works bridged."""

import json

import anyio
import pytest

from tallystick.wire import Reply
from tests.gateway.bridge.peer import MODERN, SESSIONS, Peer
from tests.gateway.bridge.stage import CAPABLE, Json, Party, ask, bridged, call, params_of, questions_of, text_of, use

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:The logging capability is deprecated")]

every_client = pytest.mark.parametrize("client", [MODERN, SESSIONS, "2025-06-18"])
every_server = pytest.mark.parametrize("server", [MODERN, SESSIONS])


@every_client
@every_server
async def test_a_client_calls_reads_and_is_asked(client: str, server: str) -> None:
    async with bridged(Peer(server), "http") as bridge:
        await use(bridge, Party(client))


@pytest.mark.parametrize(("client", "server", "code"), [(MODERN, SESSIONS, -32602), (SESSIONS, MODERN, -32002)])
async def test_an_error_is_told_in_the_clients_era(client: str, server: str, code: int) -> None:
    async with bridged(Peer(server), "http") as bridge:
        said = await ask(bridge, Party(client), "resources/read", {"uri": "note://none"})
    assert said["code"] == code


@every_client
@every_server
async def test_a_client_that_cannot_be_asked_gets_a_plain_failure(client: str, server: str) -> None:
    party = Party(client, capabilities={})
    async with bridged(Peer(server), "http") as bridge:
        reply = await bridge.ask(party.outbound("tools/call", {"name": "greet", "arguments": {}}))
        assert isinstance(reply, Reply)
        assert reply.kind in ("tool_error", "rpc_error")
        assert await call(bridge, party, "add", a=1, b=2) == "3"
    assert party.asked == []


@pytest.mark.parametrize("client", [MODERN, SESSIONS])
async def test_only_what_the_client_declared_is_asked(client: str) -> None:
    party = Party(client, capabilities={"roots": {}})
    async with bridged(Peer(MODERN if client == SESSIONS else SESSIONS), "http") as bridge:
        assert await call(bridge, party, "roots") == "file:///r"
        said = await ask(bridge, party, "tools/call", {"name": "think", "arguments": {}})
    assert said.get("isError") or "code" in said
    assert party.asked == ["roots/list"]


@every_client
@every_server
async def test_progress_reaches_the_client_under_its_own_token(client: str, server: str) -> None:
    party = Party(client, level="error")
    params: Json = {"name": "count", "arguments": {}, "_meta": {"progressToken": "mine"}}
    async with bridged(Peer(server), "http") as bridge:
        assert text_of(await ask(bridge, party, "tools/call", params)) == "counted"
    progress = [message["params"] for message in party.told if message["method"] == "notifications/progress"]
    assert progress == [
        {"progressToken": "mine", "progress": 1, "total": 2, "message": "half"},
        {"progressToken": "mine", "progress": 2, "total": 2, "message": "whole"},
    ]


@pytest.mark.parametrize(("level", "told"), [(None, []), ("error", ["error"]), ("debug", ["info", "error"])])
async def test_a_client_without_sessions_hears_logs_as_severe_as_each_request_says(
    level: str | None, told: list[str]
) -> None:
    party = Party(MODERN, level=level)
    async with bridged(Peer(SESSIONS), "http") as bridge:
        await call(bridge, party, "count")
    logs = [params_of(message) for message in party.told if message["method"] == "notifications/message"]
    assert [log["level"] for log in logs] == told


async def test_the_log_level_is_told_to_a_server_with_sessions_when_it_changes() -> None:
    peer = Peer(SESSIONS)
    async with bridged(peer, "http") as bridge:
        for level in ("error", "error", "debug"):
            await call(bridge, Party(MODERN, level=level), "add", a=1, b=1)
    assert peer.calls("logging/setLevel") == 2


async def test_a_client_with_sessions_sets_the_level_of_a_server_without() -> None:
    peer, party = Peer(MODERN), Party(SESSIONS, level="error")
    async with bridged(peer, "http") as bridge:
        assert await ask(bridge, party, "logging/setLevel", {"level": "error"}) == {}
        await call(bridge, party, "count")
    assert peer.calls("logging/setLevel") == 0
    assert [params_of(message)["level"] for message in party.told] == ["error"]


async def test_a_server_that_sends_its_user_to_a_page_asks_a_client_without_sessions_for_it() -> None:
    party = Party(MODERN)
    async with bridged(Peer(SESSIONS), "http") as bridge:
        reply = await bridge.ask(party.outbound("tools/call", {"name": "visit", "arguments": {}}))
    assert isinstance(reply, Reply)
    assert reply.result_type == "input_required"
    ((_, asked),) = questions_of(json.loads(reply.payload)).items()
    assert params_of(asked) == {"mode": "url", "message": "Sign in", "url": "https://peer.example/in"}


@every_server
async def test_a_client_without_sessions_cancels_by_leaving(server: str) -> None:
    peer, party = Peer(server), Party(MODERN)
    async with bridged(peer, "http") as bridge, anyio.create_task_group() as group:
        group.start_soon(bridge.ask, party.outbound("tools/call", {"name": "wait", "arguments": {}}))
        await peer.waiting.wait()
        party.gone.set()
        await peer.cancelled.wait()


@every_server
async def test_a_client_with_sessions_cancels_by_saying_so(server: str) -> None:
    peer, party = Peer(server), Party(SESSIONS)
    party.gone.set()  # what it left is none of the call's business
    async with bridged(peer, "http") as bridge, anyio.create_task_group() as group:
        outbound = party.outbound("tools/call", {"name": "wait", "arguments": {}})
        outbound.exchange = Staying(CAPABLE)
        group.start_soon(bridge.ask, outbound)
        await peer.waiting.wait()
        party.cancellation.say()
        await peer.cancelled.wait()


class Staying(Party):
    """A client that never leaves."""

    def __init__(self, capabilities: Json) -> None:
        super().__init__(SESSIONS, capabilities)

    async def abandoned(self) -> None:
        """Never return."""
        await anyio.sleep_forever()
