"""Servers that are upgraded or rolled back while the gateway runs: found out with no call made twice."""

import pytest

from tallystick.gateway.bridge import Park, Setting, drawn
from tallystick.gateway.bridge.verdict import EXPIRES_S
from tests.gateway.bridge.peer import MODERN, SESSIONS, Peer
from tests.gateway.bridge.stage import EVERYTHING, Party, Time, bridged, call, change, listening
from tests.interaction.waiting import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("client", [MODERN, SESSIONS])
@pytest.mark.parametrize(("before", "after"), [(MODERN, SESSIONS), (SESSIONS, MODERN)])
async def test_a_server_that_changed_its_era_is_asked_again_in_the_other(client: str, before: str, after: str) -> None:
    peer = Peer(before)
    async with bridged(peer, "http") as bridge:
        assert await call(bridge, Party(client), "add", a=1, b=2) == "3"
        peer.era = after
        assert await call(bridge, Party(client, conversation="new"), "add", a=2, b=2) == "4"
        assert bridge.health.eras == (after,)
    assert peer.run == ["add", "add"]


@pytest.mark.parametrize(
    ("before", "after", "refusal"),
    [
        *((MODERN, SESSIONS, (400, code)) for code in (-32600, -32000, 0)),
        *((MODERN, SESSIONS, (status, 0)) for status in (404, 405)),
        (SESSIONS, MODERN, (400, -32022)),
        (SESSIONS, MODERN, (404, -32601)),
        (SESSIONS, MODERN, (404, 0)),
        (SESSIONS, MODERN, (405, 0)),
    ],
)
async def test_every_way_to_refuse_an_era_is_understood(before: str, after: str, refusal: tuple[int, int]) -> None:
    peer = Peer(before, refusal=refusal)
    async with bridged(peer, "http") as bridge:
        peer.era = after
        assert await call(bridge, Party(before), "add", a=2, b=2) == "4"
        asked = len(peer.asked)
        assert await call(bridge, Party(before), "add", a=2, b=2) == "4"
        assert len(peer.asked) == asked + 1
    assert peer.run == ["add", "add"]


async def test_a_server_of_both_eras_that_lost_one_is_bridged() -> None:
    peer = Peer()
    async with bridged(peer, "http") as bridge:
        assert await call(bridge, Party(MODERN), "add", a=1, b=2) == "3"
        peer.era = SESSIONS
        assert await call(bridge, Party(MODERN), "add", a=2, b=2) == "4"
        assert await call(bridge, Party(MODERN), "greet") == "Hello Ada"
    assert peer.run == ["add", "add", "greet"]


async def test_a_server_that_was_upgraded_is_found_out_after_a_while_with_nobody_kept_waiting() -> None:
    peer, time = Peer(SESSIONS), Time()
    setting = Setting(Park(drawn), clock=time, sleep=time.sleep)
    async with bridged(peer, "http", setting=setting) as bridge:
        await call(bridge, Party(MODERN), "add", a=1, b=2)
        peer.era = None
        time.pass_by(EXPIRES_S)
        await call(bridge, Party(MODERN), "add", a=1, b=2)
        await peer.until("server/discover")
        await until(lambda: bridge.health.eras == (MODERN, SESSIONS))
        before = peer.calls("initialize")
        await call(bridge, Party(MODERN, conversation="another"), "add", a=1, b=2)
    assert peer.calls("initialize") == before


async def test_who_listens_in_an_era_that_the_server_lost_goes_on_in_the_other() -> None:
    peer, listener = Peer(SESSIONS), Party(MODERN, conversation="changer")
    async with bridged(peer, "http", MODERN) as bridge, listening(bridge, (listener, EVERYTHING)):
        await peer.until("resources/subscribe")
        await change(bridge, listener)
        assert bridge.health.eras == (SESSIONS,)
        assert peer.calls("subscriptions/listen") == 1
