"""Servers that ask without end, flood, break off or lie: they cost their caller an answer, and nobody else anything."""

import json

import anyio
import anyio.lowlevel
import pytest

from tallystick.gateway.bridge import Park, Setting, drawn
from tallystick.gateway.bridge.feeds.feed import NOTICES, UNWILLING_S
from tallystick.gateway.bridge.modern import PAUSES_S
from tallystick.gateway.bridge.way import ROUNDS
from tallystick.gateway.upstream import Wanted
from tallystick.terms import Reason, Refusal
from tallystick.wire import Reply
from tests.gateway.bridge.peer import MODERN, SESSIONS
from tests.gateway.bridge.script import error_of, notification, question, scripted
from tests.gateway.bridge.stage import Json, Party, Time, listening, params_of, party_answers, questions_of, text_of
from tests.gateway.upstream.remote import Asked, Wire, result
from tests.interaction.waiting import until

pytestmark = pytest.mark.anyio
CALL: Json = {"name": "t", "arguments": {}}
PROMPTS = "notifications/prompts/list_changed"
ASKING: Json = {
    "resultType": "input_required",
    "inputRequests": {"k": {"method": "elicitation/create", "params": {"message": "What is your name?"}}},
    "requestState": "p.mine",
}


async def _ask_without_end(asked: Asked, wire: Wire) -> None:
    await wire.answer(result(asked, ASKING))


async def test_a_server_without_sessions_may_ask_so_often_and_no_more() -> None:
    party = Party(SESSIONS)
    async with scripted(MODERN, _ask_without_end) as (bridge, server):
        end = await bridge.ask(party.outbound("tools/call", CALL))
    assert isinstance(end, Refusal)
    assert end.reasons == (Reason.UPSTREAM_BROKEN,)
    assert len(server.calls("tools/call")) == ROUNDS + 1
    assert len(party.asked) == ROUNDS + 1


async def test_a_server_that_asks_what_nobody_declared_has_nobody_asked() -> None:
    for party in (Party(SESSIONS, capabilities={}), Party(SESSIONS, capabilities={"roots": {}})):
        async with scripted(MODERN, _ask_without_end) as (bridge, server):
            end = await bridge.ask(party.outbound("tools/call", CALL))
        assert isinstance(end, Reply)
        assert (end.kind, len(server.calls("tools/call")), party.asked) == ("tool_error", 1, [])


async def test_a_call_is_not_parked_for_a_question_that_nobody_declared() -> None:
    async def ask(asked: Asked, wire: Wire) -> None:
        if asked.message.get("method") == "tools/call":
            await wire.stream_events()
            await wire.event(question(1))
            await anyio.sleep_forever()

    park = Park(drawn)
    async with scripted(SESSIONS, ask, Setting(park)) as (bridge, _):
        end = await bridge.ask(Party(MODERN, capabilities={"roots": {}}).outbound("tools/call", CALL))
        assert isinstance(end, Reply)
        assert (end.rpc_code, len(park)) == (-32021, 0)


async def test_a_server_that_only_hands_out_states_is_polled_ever_more_slowly() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def hand_out(asked: Asked, wire: Wire) -> None:
        done = len(slept) == 4
        await wire.answer(
            result(asked, {"content": []} if done else {"resultType": "input_required", "requestState": "s"})
        )

    setting = Setting(Park(drawn), sleep=sleep)
    async with scripted(MODERN, hand_out, setting) as (bridge, server):
        end = await bridge.ask(Party(SESSIONS).outbound("tools/call", CALL))
    assert isinstance(end, Reply)
    assert json.loads(end.payload) == {"content": []}
    assert slept == [*PAUSES_S, PAUSES_S[-1]]
    brought = [params_of(asked.message) for asked in server.calls("tools/call")]
    assert [params.get("requestState") for params in brought] == [None, *["s"] * 4]


async def test_a_servers_own_state_is_never_taken_for_the_gateways() -> None:
    party = Party(MODERN)
    async with scripted(MODERN, _ask_without_end) as (bridge, server):
        end = await bridge.ask(party.outbound("tools/call", CALL))
        assert isinstance(end, Reply)
        said: Json = json.loads(end.payload)
        assert said["requestState"] == "u.p.mine"
        assert questions_of(said) == ASKING["inputRequests"]
        await bridge.ask(party.outbound("tools/call", {**CALL, **party_answers(party, said)}))
    assert params_of(server.calls("tools/call")[1].message)["requestState"] == "p.mine"


async def test_a_server_with_sessions_may_park_a_call_so_often_and_no_more() -> None:
    async def ask_again(asked: Asked, wire: Wire) -> None:
        if asked.message.get("method") == "tools/call":
            await wire.stream_events()
            for number in range(ROUNDS + 1):
                await wire.event(question(number))
            await anyio.sleep_forever()

    party, given = Party(MODERN), Json()
    async with scripted(SESSIONS, ask_again) as (bridge, server):
        for _ in range(ROUNDS):
            end = await bridge.ask(party.outbound("tools/call", {**CALL, **given}))
            assert isinstance(end, Reply)
            given = party_answers(party, json.loads(end.payload))
        end = await bridge.ask(party.outbound("tools/call", {**CALL, **given}))
        assert isinstance(end, Refusal)
        await until(lambda: server.calls("notifications/cancelled"))


async def test_a_server_with_sessions_cannot_speak_of_states() -> None:
    async with scripted(SESSIONS, _ask_without_end) as (bridge, _):
        end = await bridge.ask(Party(MODERN).outbound("tools/call", CALL))
    assert isinstance(end, Reply)
    assert (end.kind, end.result_type) == ("tool_error", "")
    assert "input_required" in text_of(json.loads(end.payload))


async def test_one_odd_answer_does_not_change_what_a_server_is_believed_to_speak() -> None:
    async def refuse(asked: Asked, wire: Wire) -> None:
        await wire.answer(error_of(asked, -32600), "400 Bad Request")

    async with scripted(MODERN, refuse) as (bridge, server):
        end = await bridge.ask(Party(MODERN).outbound("tools/call", CALL))
        assert isinstance(end, Reply)
        assert end.rpc_code == -32600
        assert bridge.health.eras == (MODERN,)
        assert len(server.calls("tools/call")) == 1
        assert server.calls("initialize") == []


async def test_a_server_that_offers_no_stream_is_asked_for_one_every_five_minutes() -> None:
    async def refuse(asked: Asked, wire: Wire) -> None:
        await wire.answer(b"", "405 Method Not Allowed")

    time = Time()
    setting = Setting(Park(drawn), clock=time, sleep=time.sleep)
    async with scripted(SESSIONS, refuse, setting) as (bridge, server):

        def streams() -> int:
            return sum(1 for asked in server.asked if asked.verb == "GET")

        for _ in range(3):
            async with listening(bridge, (Party(SESSIONS), Wanted(prompts_list=True))):
                await until(lambda: streams() == 1)
                await time.until_asleep(UNWILLING_S)
        async with listening(bridge, (Party(SESSIONS), Wanted(prompts_list=True))):
            await time.until_asleep(UNWILLING_S)
            time.pass_by(UNWILLING_S)
            await until(lambda: streams() == 2)


async def test_a_stream_that_breaks_is_opened_again_ever_more_slowly() -> None:
    async def break_off(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        await wire.close()

    time, party = Time(), Party(MODERN)
    setting = Setting(Park(drawn), clock=time, sleep=time.sleep)
    waits: list[float] = []
    async with (
        scripted(MODERN, break_off, setting) as (bridge, server),
        listening(bridge, (party, Wanted(prompts_list=True))),
    ):
        for times in range(1, 5):
            await until(lambda times=times: len(server.calls("subscriptions/listen")) == times and time.sleepers)
            ((due, _),) = time.sleepers
            waits.append(due - time.now)
            time.pass_by(waits[-1])
    assert [round(later / waits[0]) for later in waits] == [1, 2, 4, 8]


async def test_nothing_is_lost_while_a_stream_is_replaced_by_a_larger_one() -> None:
    wires: list[Wire] = []

    async def tell_on_the_first(asked: Asked, wire: Wire) -> None:
        del asked
        await wire.stream_events()
        wires.append(wire)
        if len(wires) > 1:
            await wires[0].event(notification(PROMPTS))
        await anyio.sleep_forever()

    party, joining = Party(), Party()
    async with (
        scripted(MODERN, tell_on_the_first) as (bridge, server),
        listening(bridge, (party, Wanted(prompts_list=True))),
    ):
        await until(lambda: wires)
        async with listening(bridge, (joining, Wanted(resources_list=True))):
            await party.hear(PROMPTS)
    assert len(server.calls("subscriptions/listen")) == 2
    assert joining.told == []


async def test_no_nesting_that_a_server_thinks_of_ends_more_than_its_own_stream() -> None:
    # How deeply a text may be read depends on the stack of whoever reads it, so each depth around the limit is tried.
    depths = iter(range(500, 1000))

    async def nest_ever_deeper(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        if len(server.calls("subscriptions/listen")) > 1:
            await wire.event(notification("notifications/resources/list_changed"))
            await anyio.sleep_forever()
        for depth in depths:
            await wire.event(
                b'{"jsonrpc":"2.0","method":"%b","params":{"a":%b%b}}' % (PROMPTS.encode(), b"[" * depth, b"]" * depth)
            )

    async def sleep(seconds: float) -> None:
        del seconds
        await anyio.lowlevel.checkpoint()

    wanted = Wanted(prompts_list=True, resources_list=True)
    clients = [Party(SESSIONS), Party(MODERN)]
    setting = Setting(Park(drawn), sleep=sleep)
    async with (
        scripted(MODERN, nest_ever_deeper, setting) as (bridge, server),
        listening(bridge, *((client, wanted) for client in clients)),
    ):
        for client in clients:
            await client.hear("notifications/resources/list_changed")


async def test_a_slow_listener_delays_nobody_and_finds_the_newest() -> None:
    go_on = anyio.Event()

    async def tell(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        for number in range(20):
            await wire.event(notification(PROMPTS, _meta={"number": number}))
        await go_on.wait()
        await wire.event(notification("notifications/resources/list_changed"))
        await anyio.sleep_forever()

    class Slow(Party):
        """A client that takes nothing for a while."""

        async def emit(self, message: bytes) -> None:
            """Take a notification, some time."""
            await go_on.wait()
            await super().emit(message)

    quick, slow = Party(), Slow()
    wanted = Wanted(prompts_list=True, resources_list=True)
    async with scripted(MODERN, tell) as (bridge, _), listening(bridge, (quick, wanted), (slow, wanted)):
        await until(lambda: any(message["params"] == {"_meta": {"number": 19}} for message in quick.told))
        go_on.set()
        await slow.hear("notifications/resources/list_changed")
    assert len(slow.told) <= 3
    assert slow.told[-2]["params"] == {"_meta": {"number": 19}}


async def test_a_flooding_server_is_read_no_faster_than_its_measure() -> None:
    async def flood(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        for number in range(2 * NOTICES):
            await wire.event(notification("notifications/resources/updated", uri=f"note://{number}"))
        await anyio.sleep_forever()

    time, party = Time(), Party()
    uris = tuple(f"note://{number}" for number in range(2 * NOTICES))
    setting = Setting(Park(drawn), clock=time, sleep=time.sleep)
    async with scripted(MODERN, flood, setting) as (bridge, _), listening(bridge, (party, Wanted(resources=uris))):
        await time.until_asleep(1.0)
        await until(lambda: len(party.told) == NOTICES)
        time.pass_by(1.0)
        await until(lambda: len(party.told) == 2 * NOTICES)


@pytest.mark.parametrize(("client", "answered"), [(SESSIONS, "result"), (MODERN, "error")])
async def test_a_question_on_a_stream_is_for_a_client_whose_own_stream_it_is(client: str, answered: str) -> None:
    async def ask(asked: Asked, wire: Wire) -> None:
        if asked.verb == "GET":
            await wire.stream_events()
            await wire.event(question(7))
            await anyio.sleep_forever()
        await wire.answer(b"", "202 Accepted")

    party = Party(client)
    async with scripted(SESSIONS, ask) as (bridge, server), listening(bridge, (party, Wanted(prompts_list=True))):

        def answers() -> list[Json]:
            messages = [asked.message for asked in server.asked if asked.body]
            return [message for message in messages if message.get("id") == 7]

        await until(answers)
        (answer,) = answers()
    assert answered in answer
    assert party.asked == (["What is your name?"] if client == SESSIONS else [])
