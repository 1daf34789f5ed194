"""Calls that wait for a client without sessions: found again, asked again, given up."""

import json

import pytest

from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.gateway.bridge.park import PARKED_S
from tallystick.terms import Reason, Refusal
from tallystick.wire import Reply
from tests.gateway.bridge.peer import SESSIONS, Peer
from tests.gateway.bridge.stage import Json, Party, Time, bridged, party_answers, questions_of, text_of
from tests.interaction.waiting import until

pytestmark = pytest.mark.anyio
GREET: Json = {"name": "greet", "arguments": {}}


async def _say(bridge: Bridge, party: Party, given: Json) -> Json:
    reply = await bridge.ask(party.outbound("tools/call", {**GREET, **given}))
    assert isinstance(reply, Reply), reply
    said: Json = json.loads(reply.payload)
    return said


async def test_a_question_is_asked_as_the_end_of_a_request() -> None:
    party = Party()
    async with bridged(Peer(SESSIONS), "http") as bridge:
        said = await _say(bridge, party, {})
        assert said["resultType"] == "input_required"
        assert str(said["requestState"]).startswith("p.")
        ((key, asked),) = questions_of(said).items()
        assert (key, asked["method"]) == ("question-1", "elicitation/create")
        done = await _say(bridge, party, party_answers(party, said))
    assert (text_of(done), done["resultType"]) == ("Hello Ada", "complete")


async def test_who_comes_back_without_the_answer_is_asked_again() -> None:
    party = Party()
    async with bridged(Peer(SESSIONS), "http") as bridge:
        first = await _say(bridge, party, {})
        second = await _say(bridge, party, {"requestState": first["requestState"]})
        assert second["resultType"] == "input_required"
        assert second["requestState"] != first["requestState"]
        assert text_of(await _say(bridge, party, party_answers(party, second))) == "Hello Ada"


@pytest.mark.parametrize("state", ["p.unknown", "p.", "u.x", "x", "", 7, None])
async def test_a_state_that_belongs_to_nothing_is_refused(state: object) -> None:
    async with bridged(Peer(SESSIONS), "http") as bridge:
        refused = await bridge.ask(Party().outbound("tools/call", {**GREET, "requestState": state}))
    assert isinstance(refused, Refusal)
    assert refused.reasons == (Reason.STATE_REFUSED,)


async def test_a_state_goes_on_with_no_other_kind_of_request() -> None:
    peer, party = Peer(SESSIONS), Party()
    async with bridged(peer, "http") as bridge:
        given = party_answers(party, await _say(bridge, party, {}))
        refused = await bridge.ask(party.outbound("prompts/get", {**GREET, **given}))
        await peer.until("notifications/cancelled")
    assert isinstance(refused, Refusal)
    assert refused.reasons == (Reason.STATE_REFUSED,)


async def test_a_state_is_good_for_one_retry() -> None:
    party = Party()
    async with bridged(Peer(SESSIONS), "http") as bridge:
        given = party_answers(party, await _say(bridge, party, {}))
        assert text_of(await _say(bridge, party, given)) == "Hello Ada"
        refused = await bridge.ask(party.outbound("tools/call", {**GREET, **given}))
    assert isinstance(refused, Refusal)


async def test_a_call_that_is_never_fetched_is_cancelled_at_the_server() -> None:
    peer, time, park = Peer(SESSIONS), Time(), Park(drawn)
    async with bridged(peer, "http", setting=Setting(park, clock=time, sleep=time.sleep)) as bridge:
        await _say(bridge, Party(), {})
        assert len(park) == 1
        await time.until_asleep(PARKED_S)
        time.pass_by(PARKED_S)
        await peer.until("notifications/cancelled")
        await until(lambda: not len(park))


async def test_a_call_that_finds_no_room_goes_on_without_an_answer() -> None:
    party = Party()
    async with bridged(Peer(SESSIONS), "http", setting=Setting(Park(drawn, room_each=1))) as bridge:
        assert (await _say(bridge, party, {}))["resultType"] == "input_required"
        done = await _say(bridge, party, {})
    assert done["message"] == "The client cannot be asked this."


async def test_parked_calls_end_with_the_way_to_their_server() -> None:
    peer, park = Peer(SESSIONS), Park(drawn)
    async with bridged(peer, "http", setting=Setting(park)) as bridge:
        await _say(bridge, Party(), {})
        bridge.close()
        await until(lambda: not len(park))
