"""A client with sessions at a server without: the server's questions end a request, and its answers begin the next.

MCP 2026-07-28, basic/patterns/mrtr: the same request is sent again with `inputResponses` and the exact `requestState`.
"""

from dataclasses import replace
from typing import Final

import msgspec

from tallystick.gateway.bridge.heard import BROKEN, CANCELLED, COMPLETE, Heard, can_answer, told, unaskable, unfit
from tallystick.gateway.bridge.way import CALL_S, ROUNDS, Way, drawn, follow, put
from tallystick.gateway.upstream.model import Call, Outbound, Question
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply, bridge

ASKING: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods whose results may ask for input."""

ASKS: Final = "input_required"
"""The resultType of a result that asks for input."""


PAUSES_S: Final = (0.05, 0.1, 0.25)
"""Seconds before a request is repeated that only has a state to bring back: the server polls by way of its client."""


class _Failure(msgspec.Struct):
    message: str = ""


_read_object: Final = msgspec.json.Decoder(dict[str, object]).decode
_read_failure: Final = msgspec.json.Decoder(_Failure).decode


async def ask(way: Way, outbound: Outbound, era: Era) -> tuple[Call | None, Reply | Refusal]:
    """Ask in `era`, which has no sessions, and answer its questions with the client's help.

    Returns the first leg too, which knows whether the server spoke the era at all.
    """
    until = way.clock() + CALL_S
    asked = bridge.request(outbound.method, outbound.params, era, outbound.client)
    heard = replace(outbound, params=asked, exchange=Heard(outbound.exchange, outbound.era, None))
    first: Call | None = None
    for turn in range(ROUNDS + 1):
        call = await way.transport.begin(heard, era)
        if isinstance(call, Refusal):
            return first, call
        first = first or call
        end = await follow(call, heard)
        if isinstance(end, Question):
            return first, BROKEN
        if isinstance(end, Refusal) or end.result_type != ASKS:
            return first, _translated(outbound, end)
        added = await _next(way, outbound, end, turn, until)
        if not isinstance(added, dict):
            return first, added
        heard = replace(heard, params={**asked, **added})
    return first, BROKEN


def _translated(outbound: Outbound, end: Reply | Refusal) -> Reply | Refusal:
    if isinstance(end, Refusal):
        return end
    if end.kind == "rpc_error":
        code, payload = bridge.error(outbound.method, end.payload, outbound.era)
        return Reply("rpc_error", end.id, payload, code)
    if end.result_type not in COMPLETE:
        return unfit(outbound.method, end)
    return Reply(end.kind, end.id, bridge.result(outbound.method, end.payload, outbound.era, None))


async def _next(
    way: Way, outbound: Outbound, end: Reply, turn: int, until: float
) -> dict[str, object] | Reply | Refusal:
    """Return what the next request brings besides its parameters, or how the call ends without one."""
    required, left_s = bridge.read_input_required(end.payload), until - way.clock()
    if isinstance(required, Refusal):
        return required
    if outbound.method not in ASKING or left_s <= 0:
        return BROKEN
    added: dict[str, object] = {}
    if required.requests:
        answers = await _collect(outbound, required, left_s)
        if not isinstance(answers, dict):
            return answers
        added["inputResponses"] = answers
    else:
        await way.sleep(PAUSES_S[min(turn, len(PAUSES_S) - 1)])
    if required.state is not None:
        added["requestState"] = required.state
    return CANCELLED if outbound.cancellation.said else added


async def _collect(
    outbound: Outbound, required: bridge.InputRequired, left_s: float
) -> dict[str, object] | Reply | Refusal:
    for method, params in required.requests.values():
        # Nobody is asked anything where one question cannot be asked: the call would fail all the same.
        if not (outbound.exchange.asks and can_answer(outbound.client, method, params)):
            return unaskable(outbound.method, method)
    answers: dict[str, object] = {}
    for key, (method, params) in required.requests.items():
        asked = bridge.question(method, params, outbound.era, drawn())
        answer = await put(outbound, method, asked, left_s)
        if isinstance(answer, Refusal):
            return answer if answer.reasons[0] is Reason.CANCELLED else unaskable(outbound.method, method)
        content = _content(method, answer)
        if content is None:
            said = _read_failure(answer.payload).message
            return told(outbound.method, f"The client answered the server's {method} with an error: {said}", -32603)
        answers[key] = content
    return answers


def _content(method: str, answer: Reply) -> dict[str, object] | None:
    if answer.kind != "rpc_error":
        return _read_object(answer.payload)
    # There is no word for an error in a retry, but a person who was not asked has not chosen anything.
    return {"action": "cancel"} if method == "elicitation/create" else None
