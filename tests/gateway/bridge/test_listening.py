"""What a server says unasked reaches whoever wanted it, in its own era, over one stream of the server."""

import json

import anyio
import pytest

from tallystick.gateway.upstream import Wanted
from tallystick.wire import Reply
from tests.gateway.bridge.peer import MODERN, SESSIONS, Peer
from tests.gateway.bridge.stage import (
    BOUND_S,
    EVERYTHING,
    PROMPTS,
    Json,
    Party,
    ask,
    bridged,
    call,
    change,
    listening,
    params_of,
    party_answers,
    text_of,
)
from tests.interaction.waiting import until

pytestmark = pytest.mark.anyio
UPDATED = "notifications/resources/updated"
MANY = 50
GREET: Json = {"name": "greet", "arguments": {}}


async def _streaming(peer: Peer, server: str) -> None:
    # A server with sessions is listening once it has been told what is wanted.
    await peer.until("subscriptions/listen" if server == MODERN else "resources/subscribe")


@pytest.mark.parametrize("client", [MODERN, SESSIONS])
async def test_a_client_is_told_by_a_server_without_sessions(client: str) -> None:
    peer, party = Peer(MODERN), Party(client)
    async with bridged(peer, "http") as bridge, listening(bridge, (party, EVERYTHING)):
        await _streaming(peer, MODERN)
        await change(bridge, party)
        updated = await party.hear(UPDATED)
    assert params_of(updated)["uri"] == "note://a"
    assert set(party.methods()) == {PROMPTS, UPDATED}


async def test_a_client_with_sessions_has_a_stream_of_its_own_session() -> None:
    peer, party, other = Peer(SESSIONS), Party(SESSIONS), Party(SESSIONS, conversation="other")
    async with bridged(peer, "http") as bridge, listening(bridge, (party, EVERYTHING)):
        await _streaming(peer, SESSIONS)
        await until(lambda: peer.calls("GET") == 1)
        with anyio.fail_after(BOUND_S):
            while PROMPTS not in party.methods():
                await call(bridge, party, "change")
                await anyio.wait_all_tasks_blocked()
        await call(bridge, other, "change")
    assert other.told == []


async def test_who_stops_listening_goes_on_with_the_calls_of_the_same_session() -> None:
    peer, party = Peer(SESSIONS), Party(MODERN)
    async with bridged(peer, "http") as bridge:
        async with listening(bridge, (party, EVERYTHING)):
            await _streaming(peer, SESSIONS)
            parked = await bridge.ask(party.outbound("tools/call", GREET))
            assert isinstance(parked, Reply)
        await anyio.wait_all_tasks_blocked()
        given = party_answers(party, json.loads(parked.payload))
        done = await bridge.ask(party.outbound("tools/call", {**GREET, **given}))
    assert isinstance(done, Reply), done
    assert text_of(json.loads(done.payload)) == "Hello Ada"
    assert peer.calls("initialize") == 1


@pytest.mark.parametrize(("client", "server"), [(MODERN, MODERN), (MODERN, SESSIONS), (SESSIONS, SESSIONS)])
async def test_no_stream_is_shared_between_principals(client: str, server: str) -> None:
    peer, wanted = Peer(server), Wanted(prompts_list=True)
    parties = [Party(client, conversation=name) for name in ("ada", "bob")]
    opened = "subscriptions/listen" if server == MODERN else "GET"
    async with bridged(peer, "http") as bridge, listening(bridge, *((party, wanted) for party in parties)):
        await until(lambda: peer.calls(opened) == len(parties))


async def test_listeners_share_one_stream_and_hear_what_each_wanted() -> None:
    peer = Peer(MODERN)
    prompts, notes = Party(), Party()
    crowd = [Party() for _ in range(MANY)]
    wanted = [(party, Wanted(resources_list=True)) for party in crowd]
    async with (
        bridged(peer, "http") as bridge,
        listening(bridge, (prompts, EVERYTHING), (notes, Wanted(resources=("note://",))), *wanted),
    ):
        await _streaming(peer, MODERN)
        await change(bridge, prompts)
        await prompts.hear(UPDATED)
    assert set(prompts.methods()) == {PROMPTS, UPDATED}
    assert all(party.told == [] for party in crowd)
    assert peer.calls("subscriptions/listen") <= 2


async def test_a_stream_grows_when_somebody_wants_more() -> None:
    peer, first, second = Peer(MODERN), Party(), Party()
    async with bridged(peer, "http") as bridge, listening(bridge, (first, Wanted(resources_list=True))):
        await _streaming(peer, MODERN)
        async with listening(bridge, (second, Wanted(prompts_list=True))):
            await until(lambda: peer.calls("subscriptions/listen") == 2)
            await change(bridge, second)
            first_told = list(first.told)
    assert first_told == []


async def test_the_stream_ends_with_the_last_listener() -> None:
    peer, party = Peer(MODERN), Party()
    async with bridged(peer, "http") as bridge:
        async with listening(bridge, (party, EVERYTHING)):
            await _streaming(peer, MODERN)
        await until(lambda: peer.left)


async def test_a_session_clients_subscriptions_become_its_listeners_at_a_server_without_sessions() -> None:
    peer, party = Peer(MODERN), Party(SESSIONS)
    async with bridged(peer, "http") as bridge, listening(bridge, (party, Wanted(prompts_list=True))):
        await _streaming(peer, MODERN)
        assert await ask(bridge, party, "resources/subscribe", {"uri": "note://a"}) == {}
        await until(lambda: peer.calls("subscriptions/listen") == 2)
        await change(bridge, party)
        await party.hear(UPDATED)
        assert await ask(bridge, party, "resources/unsubscribe", {"uri": "note://a"}) == {}
        party.told.clear()
        await change(bridge, party)
        assert UPDATED not in party.methods()
    assert peer.calls("resources/subscribe") == 0


async def test_a_client_without_sessions_subscribes_at_a_server_with_them() -> None:
    peer, party = Peer(SESSIONS), Party()
    async with bridged(peer, "http") as bridge, listening(bridge, (party, EVERYTHING)):
        await _streaming(peer, SESSIONS)
        await until(lambda: peer.calls("GET") == 1)
    assert peer.calls("resources/subscribe") == 1


async def test_a_listener_ends_with_the_way_to_its_server() -> None:
    peer, party = Peer(MODERN), Party()
    async with bridged(peer, "http") as bridge, anyio.create_task_group() as group:
        group.start_soon(bridge.listen, party.outbound("subscriptions/listen", {}), EVERYTHING)
        await _streaming(peer, MODERN)
        bridge.close()
