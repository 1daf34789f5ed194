"""What asking one server takes, and the same-era path: begin, follow, and pass on questions. Nothing is translated."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

import anyio

from tallystick.gateway.bridge.background import Background
from tallystick.gateway.bridge.heard import BROKEN, CANCELLED, can_answer
from tallystick.gateway.bridge.park import Park
from tallystick.gateway.upstream.model import Call, Outbound, Question, Transport
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply, bridge, encode

ROUNDS: Final = 10
"""Times that a server may ask before it answers: a call is no conversation (2026-07-28, basic/patterns/mrtr)."""

QUESTIONS: Final = 100
"""Questions of one call in an era where they are requests of their own, one after the other."""

ANSWER_S: Final = 600.0
"""Seconds that a person, or the client's model, gets for one answer."""

CALL_S: Final = 3600.0
"""Seconds that a call may last over all its questions."""

UNASKABLE: Final = Reply(
    "rpc_error", None, encode.value({"code": -32601, "message": "The client cannot be asked this."}), -32601
)
UNANSWERED: Final = Reply(
    "rpc_error", None, encode.value({"code": -32603, "message": "The client did not answer."}), -32603
)
"""What a server with sessions hears when nobody can be asked, or nobody answered."""
UNFOLLOWED: Final = frozenset({Reason.CANCELLED, Reason.UPSTREAM_TIMEOUT})
"""Ends of the following that are no end of the call: the server has to be told."""


@dataclass(frozen=True, slots=True)
class Way:
    """One server: how it is reached, and where its calls wait. `about` is its Implementation, where it told.

    `apart`: it keeps conversations with sessions apart, so that calls that wait are in nobody's way.
    """

    name: str
    transport: Transport
    park: Park
    background: Background
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    about: Mapping[str, object] | None
    apart: bool = True


async def follow(call: Call, outbound: Outbound) -> Reply | Refusal | Question:
    """Follow a call; one that nobody waits for any more is cancelled at the server."""
    try:
        end = await call.follow(outbound)
    except BaseException:
        await cancel(call)
        raise
    if isinstance(end, Refusal) and end.reasons[0] in UNFOLLOWED:
        await cancel(call)
    return end


async def cancel(call: Call) -> None:
    """Tell the server that nobody waits, also when this task is being cancelled itself."""
    with anyio.CancelScope(shield=True):
        await call.cancel()


async def answer_questions(way: Way, call: Call, outbound: Outbound, end: Question) -> Reply | Refusal:
    """Ask the client whatever a server with sessions asks in the middle of a call, until the call ends."""
    until, current = way.clock() + CALL_S, end
    for _ in range(QUESTIONS):
        answer = await _answer(way, call, outbound, current, until)
        if isinstance(answer, Refusal):
            return answer
        following = await call.respond(current, answer) or await follow(call, outbound)
        if not isinstance(following, Question):
            return following
        current = following
    await cancel(call)
    return BROKEN


async def _answer(way: Way, call: Call, outbound: Outbound, asked: Question, until: float) -> Reply | Refusal:
    if not can_answer(outbound.client, asked.method, asked.params):
        return UNASKABLE
    params = params_for(outbound.era, asked)
    try:
        answer = await put(outbound, asked.method, params, until - way.clock())
    except BaseException:
        await cancel(call)
        raise
    if not isinstance(answer, Refusal):
        return answer
    if answer.reasons[0] is Reason.CANCELLED or way.clock() >= until:
        await cancel(call)
        return answer
    return UNANSWERED


def params_for(era: Era, asked: Question) -> Mapping[str, object]:
    """Return the parameters of a question of a server with sessions, for a client with sessions.

    A client of the same revision hears the server's own words; an older one does not know all of them.
    """
    if era.elicits_at_url:
        return asked.params
    return bridge.question(asked.method, asked.params, era, str(asked.params.get("elicitationId")))


async def put(outbound: Outbound, method: str, params: Mapping[str, object], left_s: float) -> Reply | Refusal:
    """Ask the client and return its answer; a refusal with `Reason.CANCELLED` where it cancels its call instead."""
    if outbound.cancellation.said:
        return CANCELLED
    answer: Reply | Refusal = CANCELLED
    with anyio.CancelScope() as asking:
        outbound.cancellation.heard_by(asking.cancel)
        answer = await outbound.exchange.ask(method, params, max(0.0, min(ANSWER_S, left_s)))
    outbound.cancellation.heard_by(_nobody)
    return answer


def _nobody() -> None:
    """Hear nothing: between two followings there is nobody to tell."""


def drawn() -> str:
    """Return 128 random bits as text."""
    return token_hex(16)
