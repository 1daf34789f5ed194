"""A client without sessions at a server with them: the server's questions park the call until the client comes back.

MCP 2026-07-28, basic/patterns/mrtr; 2025-11-25, client/elicitation (-32042) and server/utilities/logging.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import anyio

from tallystick.gateway.bridge.heard import BROKEN, COMPLETE, LEVELS, Heard, can_answer, lacking, told, unfit
from tallystick.gateway.bridge.modern import ASKS
from tallystick.gateway.bridge.park import PARKED_S, Stay
from tallystick.gateway.bridge.way import CALL_S, ROUNDS, UNASKABLE, Way, cancel, drawn, follow
from tallystick.gateway.upstream.model import Call, Outbound, Question
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply, bridge, encode

PARKED: Final = "p."
"""What the states of parked calls begin with."""

_UNASKED_FOR: Final = "roots/list"
"""What servers ask of their own accord, when they start or the roots have changed: no call depends on it for sure."""

LEVELS_KEPT: Final = 10_000
"""Conversations whose log level is remembered; for one that was forgotten it is set again."""

EXPIRED: Final = Refusal(
    "invalid",
    (Reason.STATE_REFUSED,),
    "The call that this requestState belongs to has ended or waited too long. Send the request anew, without it.",
)


class Levels:
    """The log level that a server with sessions was told, by conversation."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._levels: OrderedDict[str, str] = OrderedDict()

    async def tell(self, way: Way, outbound: Outbound, era: Era) -> None:
        """Tell the server the level that a client wants, where it has changed; whether it listens does not matter."""
        level = outbound.client.log_level
        if level not in LEVELS or self._levels.get(outbound.conversation) == level:
            return
        self._levels[outbound.conversation] = level
        self._levels.move_to_end(outbound.conversation)
        if len(self._levels) > LEVELS_KEPT:
            self._levels.popitem(last=False)
        call = await way.transport.begin(replace(outbound, method="logging/setLevel", params={"level": level}), era)
        if isinstance(call, Refusal) or isinstance(await follow(call, outbound), Refusal):
            self.forget(outbound.conversation)

    def forget(self, conversation: str) -> None:
        """Forget a conversation."""
        self._levels.pop(conversation, None)


async def ask(way: Way, outbound: Outbound, era: Era) -> tuple[Call | None, Reply | Refusal]:
    """Ask in `era`, which has sessions. Returns the call too, which knows whether the server spoke the era at all."""
    params = bridge.request(outbound.method, outbound.params, era, outbound.client)
    heard = _heard(outbound, params)
    call = await way.transport.begin(heard, era)
    if isinstance(call, Refusal):
        return None, call
    end = await follow(call, heard)
    if isinstance(end, Question):
        stay = Stay(call, end, outbound.method, outbound.conversation, outbound.context, way.clock() + CALL_S)
        return call, await _stay(way, outbound, stay)
    return call, _translated(way, outbound, end)


async def resume(way: Way, outbound: Outbound, state: str) -> Reply | Refusal:
    """Go on with the call that a client's state names, with the answer that it brings."""
    stay = way.park.take(way.name, state.removeprefix(PARKED))
    if stay is None:
        return EXPIRED
    if stay.method != outbound.method:
        await cancel(stay.call)
        return EXPIRED
    answer = bridge.answers(outbound.params).get(_key(stay))
    if answer is None:
        # Whoever comes back without the answer is asked again (2026-07-28, mrtr).
        return await _stay(way, outbound, stay)
    refused = await stay.call.respond(stay.question, Reply("result", None, encode.value(answer)))
    end = refused or await follow(stay.call, _heard(outbound, outbound.params))
    if isinstance(end, Question):
        stay.question = end
        return await _stay(way, outbound, stay)
    return _translated(way, outbound, end)


def _heard(outbound: Outbound, params: dict[str, object]) -> Outbound:
    heard = Heard(outbound.exchange, outbound.era, outbound.client.log_level)
    return replace(outbound, params=params, exchange=heard)


def _key(stay: Stay) -> str:
    return f"question-{stay.rounds}"


async def _stay(way: Way, outbound: Outbound, stay: Stay) -> Reply | Refusal:
    """Park a call and return what asks its client; where that cannot be, end it or go on without.

    What a client lacks is told in the words of its own era (2026-07-28, basic/index: -32021), not in the server's.
    """
    for _ in range(ROUNDS):
        asked = stay.question
        if can_answer(outbound.client, asked.method, asked.params):
            if stay.rounds >= ROUNDS or way.clock() >= stay.until:
                break
            told_to = await _parked(way, outbound, stay)
            if told_to is not None:
                return told_to
        elif asked.method != _UNASKED_FOR:
            await stay.call.respond(asked, UNASKABLE)
            await cancel(stay.call)
            return lacking(asked.method, asked.params)
        end = await stay.call.respond(asked, UNASKABLE) or await follow(stay.call, _heard(outbound, outbound.params))
        if not isinstance(end, Question):
            return _translated(way, outbound, end)
        stay.question = end
    await cancel(stay.call)
    return BROKEN


async def _parked(way: Way, outbound: Outbound, stay: Stay) -> Reply | None:
    waiting = replace(stay, rounds=stay.rounds + 1, fetched=anyio.Event())
    stay_id = way.park.put(way.name, waiting)
    if stay_id is None:
        return None
    asked = stay.question
    params = bridge.question(asked.method, asked.params, outbound.era, drawn())

    async def expire() -> None:
        try:
            async with anyio.create_task_group() as waits:
                waits.start_soon(_fetched, waiting, waits.cancel_scope)
                await way.sleep(min(PARKED_S, max(0.0, waiting.until - way.clock())))
                waits.cancel_scope.cancel()
        finally:
            if way.park.take(way.name, stay_id) is not None:
                await cancel(waiting.call)

    way.background.start(expire)
    displaced = None if way.apart else way.park.displaced(way.name, stay.context)
    if displaced is not None:
        await cancel(displaced.call)
    return _asking({_key(waiting): (asked.method, params)}, f"{PARKED}{stay_id}")


async def _fetched(stay: Stay, waits: anyio.CancelScope) -> None:
    await stay.fetched.wait()
    waits.cancel()


def _asking(requests: Mapping[str, tuple[str, Mapping[str, object]]], state: str | None) -> Reply:
    return Reply("result", None, bridge.write_input_required(requests, state), result_type=ASKS)


def _translated(way: Way, outbound: Outbound, end: Reply | Refusal) -> Reply | Refusal:
    if isinstance(end, Refusal):
        return end
    if end.kind != "rpc_error":
        # INVARIANT: a server with sessions asks by parking only, so no state of its own making is ever told as one.
        if end.result_type not in COMPLETE:
            return unfit(outbound.method, end)
        result = bridge.result(outbound.method, end.payload, outbound.era, way.about)
        return Reply(end.kind, end.id, result, result_type="complete")
    required = bridge.url_elicitations(end.payload)
    if required is not None:
        return _sent_to_url(outbound, required)
    code, payload = bridge.error(outbound.method, end.payload, outbound.era)
    return Reply("rpc_error", end.id, payload, code)


def _sent_to_url(outbound: Outbound, required: bridge.InputRequired) -> Reply:
    if all(can_answer(outbound.client, method, params) for method, params in required.requests.values()):
        return _asking(required.requests, required.state)
    urls = ", ".join(str(params.get("url")) for _, params in required.requests.values())
    return told(
        outbound.method, f"The server wants its user to visit {urls} first, and then to be called again.", -32603
    )
