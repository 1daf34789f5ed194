"""Questions in the middle of a call, where the client does not simply answer."""

from collections.abc import Mapping

import anyio
import pytest

from tallystick.gateway.bridge import Bridge
from tallystick.gateway.upstream.model import UNKNOWN_CLIENT
from tallystick.terms import Reason, Refusal
from tallystick.wire import Reply, encode
from tests.gateway.bridge.peer import MODERN, SESSIONS, Peer
from tests.gateway.bridge.stage import Party, bridged, call

pytestmark = pytest.mark.anyio
every_server = pytest.mark.parametrize("server", [MODERN, SESSIONS])


class Pensive(Party):
    """A client that thinks about the question for as long as it takes; it has no other thoughts."""

    def __init__(self) -> None:
        super().__init__(SESSIONS)
        self.thinking = anyio.Event()
        self.stopped = anyio.Event()

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        """Never answer."""
        del method, params, within_s
        self.thinking.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.stopped.set()
        raise AssertionError


class Failing(Party):
    """A client whose answer is an error."""

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        """Answer with an error."""
        del params, within_s
        self.asked.append(method)
        return Reply("rpc_error", None, encode.value({"code": -1, "message": "not today"}), -1)


async def _end_of(bridge: Bridge, party: Party, tool: str) -> Reply | Refusal:
    return await bridge.ask(party.outbound("tools/call", {"name": tool, "arguments": {}}))


@every_server
async def test_a_client_can_cancel_its_call_while_it_is_asked(server: str) -> None:
    party = Pensive()
    ends: list[Reply | Refusal] = []
    peer = Peer(server)

    async def greet() -> None:
        ends.append(await _end_of(bridge, party, "greet"))

    async with bridged(peer, "http") as bridge:
        async with anyio.create_task_group() as group:
            group.start_soon(greet)
            await party.thinking.wait()
            party.cancellation.say()
        if server == SESSIONS:
            await peer.until("notifications/cancelled")
    (end,) = ends
    assert isinstance(end, Refusal)
    assert end.reasons == (Reason.CANCELLED,)
    assert party.stopped.is_set()


@every_server
async def test_a_client_that_fails_to_ask_its_user_fails_the_tool_and_not_the_call(server: str) -> None:
    party = Failing(SESSIONS)
    async with bridged(Peer(server), "http") as bridge:
        for tool in ("greet", "think"):
            end = await _end_of(bridge, party, tool)
            assert isinstance(end, Reply)
            assert end.kind in ("tool_error", "rpc_error")
        assert await call(bridge, party, "add", a=1, b=2) == "3"
    assert party.asked == ["elicitation/create", "sampling/createMessage"]


@every_server
@pytest.mark.parametrize("client", [MODERN, SESSIONS])
async def test_a_user_can_decline(client: str, server: str) -> None:
    party = Party(client, answers={"What is your name?": {"action": "decline"}})
    async with bridged(Peer(server), "http") as bridge:
        said = await call(bridge, party, "greet")
    assert "decline" in said.lower()


@pytest.mark.parametrize("client", [MODERN, SESSIONS])
async def test_a_question_that_a_client_cannot_answer_is_told_to_the_model(client: str) -> None:
    party = Party(client)
    outbound = party.outbound("tools/call", {"name": "greet", "arguments": {}})
    outbound.client = UNKNOWN_CLIENT
    async with bridged(Peer(MODERN if client == SESSIONS else SESSIONS), "http") as bridge:
        end = await bridge.ask(outbound)
    assert isinstance(end, Reply)
    assert party.asked == []
    if client == SESSIONS:
        assert end.kind in ("tool_error", "rpc_error")
