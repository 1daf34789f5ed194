"""A server that fails is left alone, and found again without a caller who waits for it."""

import pytest

from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.guard.breaker import THRESHOLD
from tallystick.terms import Reason, Refusal
from tests.gateway.bridge.peer import MODERN, SESSIONS, Peer
from tests.gateway.bridge.stage import Party, Time, bridged, call
from tests.interaction.waiting import until

pytestmark = pytest.mark.anyio


async def _fail(bridge: Bridge, party: Party, times: int) -> None:
    for _ in range(times):
        refused = await bridge.ask(party.outbound("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}))
        assert isinstance(refused, Refusal)


@pytest.mark.parametrize("server", [MODERN, SESSIONS])
async def test_a_failing_server_is_left_alone_until_a_probe_comes_back(
    server: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer, time, party = Peer(server), Time(), Party(server)
    setting = Setting(Park(drawn), clock=time, sleep=time.sleep)
    async with bridged(peer, "http", setting=setting) as bridge:
        assert await call(bridge, party, "add", a=1, b=2) == "3"
        assert bridge.refuse() is None
        peer.broken = True
        await _fail(bridge, party, THRESHOLD)
        refusal = bridge.refuse()
        assert refusal is not None
        assert (refusal.code, refusal.reasons) == ("unavailable", (Reason.CIRCUIT_OPEN,))
        assert (bridge.health.circuit, bridge.health.failures) == ("open", THRESHOLD)
        asked = len(peer.asked)
        await _fail(bridge, party, 3)
        assert len(peer.asked) == asked
        await time.until_asleep(1.0)
        time.pass_by(1.0)
        await time.until_asleep(2.0)
        assert bridge.health.words == "No calls pass after 6 failures in a row; the server is asked again in 2 s."
        assert bridge.health.wait_s == 2.0
        assert bridge.health.why is not None
        assert bridge.health.why.reasons[0] in (Reason.UPSTREAM_BROKEN, Reason.UPSTREAM_UNREACHABLE)
        peer.broken = False
        time.pass_by(2.0)
        await until(lambda: bridge.refuse() is None)
        assert await call(bridge, party, "add", a=1, b=2) == "3"
        assert (bridge.health.circuit, bridge.health.failures) == ("closed", 0)
        assert (bridge.health.wait_s, bridge.health.why) == (0.0, None)
    told = [record.getMessage() for record in caplog.records if record.name.startswith("tallystick")]
    assert told == ["server peer is left alone after 5 failures in a row", "server peer answers again"]


async def test_errors_and_failed_tools_are_answers() -> None:
    async with bridged(Peer(MODERN), "http") as bridge:
        for _ in range(2 * THRESHOLD):
            await bridge.ask(Party().outbound("tools/call", {"name": "none", "arguments": {}}))
            await bridge.ask(Party().outbound("resources/read", {"uri": "note://none"}))
        assert bridge.refuse() is None
        assert bridge.health.failures == 0
