"""Step 8 of the corridor: every exit is recorded, and then told."""

import os
from functools import partial
from typing import Final, Literal

import anyio

from tallystick import audit
from tallystick.audit import model
from tallystick.gateway import local
from tallystick.gateway.context import NOTHING, Given, person_of, read, trace_of, with_receipt
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.tickets import (
    Answer,
    Answered,
    Identified,
    Received,
    Routed,
    ServerTarget,
    StreamTarget,
    Target,
    TaskTarget,
    ToolTarget,
)
from tallystick.guard import Unrecorded
from tallystick.identity import challenge, metadata_url
from tallystick.terms import Caller, Reason, Refusal, ToolId
from tallystick.wire import encode

INTERNAL: Final = Refusal(
    "internal",
    (Reason.INTERNAL,),
    "The gateway failed on this request. Tell the operator, and look before you repeat it: it may have taken effect.",
)
UNWRITABLE: Final = Refusal(
    "unavailable",
    (Reason.RECORD_UNWRITABLE,),
    "Calls cannot be recorded at the moment, so none is made. Tell the operator, who starts with `tally audit verify`.",
)
FLOODED: Final = Refusal(
    "limited",
    (Reason.FLOODED,),
    "Too many requests without a valid token came from this address. Wait as long as Retry-After says.",
)
EXECUTED_UNRECORDED: Final = Refusal(
    "unavailable",
    (Reason.RECORD_UNWRITABLE,),
    "The call was made but its outcome could not be recorded, so it is withheld. Do not repeat it; tell the operator.",
)
UNWITNESSED: Final = Refusal(
    "unavailable",
    (Reason.RECORD_NOT_WITNESSED,),
    "The call was made and is on record, but the record is not vouched for as this tool's risk demands, so the outcome "
    "is withheld. Do not repeat it; quote the record number to the operator.",
)


async def answer(rooms: Rooms, answered: Answered) -> Answer:
    """8, answer: the outcome is durable before the client learns it."""
    intended, reply = answered.intended, answered.reply
    routed = intended.cleared.authorized.routed
    received = routed.identified.received
    if received.message.id is None and intended.leaf is None:
        return Answer(204 if received.message.method == local.END else 202, b"")
    tenant, index = routed.identified.caller.tenant, None
    outcome, capture = _outcome(rooms, answered)
    leaf = audit.encode(outcome)
    try:
        index = await rooms.recorder.append(tenant, leaf, capture)
        reply = await _unwitnessed(rooms, routed, index) or reply
    except audit.Unwritable as failure:
        withheld = EXECUTED_UNRECORDED if intended.leaf is not None else UNWRITABLE
        reply = Refusal(withheld.code, withheld.reasons, withheld.public_text, failure.message)
    if isinstance(reply, Refusal):
        status, body = encode.refusal(reply, received.message.id, received.era, index)
        return Answer(status, body)
    if routed.given.receipt and index is not None:
        prove = partial(rooms.recorder.prove, tenant, index)
        reply = await with_receipt(reply, leaf, index, prove, rooms.recording.patience_s)
    if received.message.id is None or received.message.kind != "request":
        if received.message.kind == "response":
            local.deliver(rooms, routed, reply)
        return Answer(202, b"")
    if reply.kind == "rpc_error":
        status = encode.status_of(reply.rpc_code or 0, received.era)
        return Answer(status, encode.message(received.message.id, "error", reply.payload))
    return Answer(200, encode.message(received.message.id, "result", reply.payload), local.headers_of(rooms, routed))


async def _unwitnessed(rooms: Rooms, routed: Routed, index: int) -> Refusal | None:
    """Wait until the outcome's record has come as far as its tool's risk demands; return the refusal if it does not."""
    levels, target = rooms.recording.levels, routed.target
    if not levels or not isinstance(target, ToolTarget | TaskTarget):
        return None
    level = levels.get(target.routed.tool.risk)
    if level is None:
        return None
    detail = f"leaf {index} was not {level} within {rooms.recording.patience_s} s"
    try:
        with anyio.fail_after(rooms.recording.patience_s):
            await rooms.recorder.reach(routed.identified.caller.tenant, index, level)
    except audit.Unwritable as failure:
        detail = failure.message
    except TimeoutError:
        pass  # as said above
    else:
        return None
    return Refusal(UNWITNESSED.code, UNWITNESSED.reasons, UNWITNESSED.public_text, detail)


def _outcome(rooms: Rooms, answered: Answered) -> tuple[audit.Outcome, model.Capture | None]:
    intended, reply = answered.intended, answered.reply
    authorized = intended.cleared.authorized
    identified, now = authorized.routed.identified, rooms.clock()
    outside = intended.leaf is None
    told = None if isinstance(reply, Refusal) else reply.payload
    # What the gateway answers itself follows from the snapshot; but a client's answer to a server's question does not.
    lasts = not outside or identified.received.message.kind == "response"
    kept, capture = whose(rooms, authorized.routed, "result", told) if told is not None and lasts else (None, None)
    outcome = audit.Outcome(
        intended.call_id,
        now,
        identified.caller.tenant,
        intended.leaf,
        answered.status,
        max(0, int((now - identified.received.started) * 1e6)),
        0 if told is None else len(told),
        None if told is None else audit.leaf.commit(rooms.commitment_key, intended.call_id, "result", told),
        None if isinstance(reply, Refusal) else reply.rpc_code,
        reply.reasons if isinstance(reply, Refusal) else (),
        aim(identified.received, authorized.routed) if outside else None,
        identified.caller if outside else None,
        authorized.decision if outside else None,
        kept,
        trace_of(identified.received.message, identified.received.headers) if outside else None,
    )
    return outcome, capture


async def refuse(rooms: Rooms, ticket: Received | Identified | Routed, refusal: Refusal) -> Answer:
    """8, answer: a refusal from any room is recorded, then told. It is told even where the record cannot be written."""
    received, caller, routed = _known(ticket)
    now = rooms.clock()
    if caller is None and (enough := await turn_away(rooms, received.address)) is not None:
        return enough
    call_id = audit.leaf.call_id(now, os.urandom(10))
    # Only a known caller's arguments are worth a commitment: nobody else makes the gateway work for them.
    arguments = audit.leaf.canonical(given(received)) if caller is not None else None
    body = arguments if isinstance(arguments, bytes) else None
    session = routed.identified.session if routed is not None else None
    told = read(received.told) if routed is None and caller is not None else NOTHING
    given_too = routed.given if routed is not None else NOTHING if isinstance(told, Refusal) else told
    kept, capture = None, None
    if body is not None and caller is not None:
        kept, capture = _kept(rooms, caller, None if routed is None else routed.target, _contents(body, given_too))
    denial = audit.Denial(
        call_id,
        now,
        # INVARIANT: the number of a stranger's refusal tells nothing of who has a route, nor whether anybody has it.
        caller.tenant if caller is not None else rooms.platform,
        aim(received, routed),
        refusal,
        len(body or b""),
        caller,
        refusal.decision,
        None if body is None else audit.leaf.commit(rooms.commitment_key, call_id, "args", body),
        session.key if session is not None else None,
        whose=kept,
        trace=trace_of(received.message, received.headers),
        why=why(rooms, call_id, given_too),
    )
    index = await record_denial(rooms, denial, capture)
    # Only a tool can fail in a way that a model sees; what else lacks an explanation is answered by an error.
    is_tool = routed is not None and isinstance(routed.target, ToolTarget)
    era = received.era if is_tool or Reason.CONTEXT_REQUIRED not in refusal.reasons else None
    status, told = encode.refusal(refusal, received.message.id, era, index)
    if refusal.code == "unauthenticated":
        where = metadata_url(rooms.resource(received.route))
        return Answer(status, told, ((b"www-authenticate", challenge(where, refusal).encode("latin-1", "replace")),))
    return Answer(status, told)


def _known(ticket: Received | Identified | Routed) -> tuple[Received, Caller | None, Routed | None]:
    match ticket:
        case Received():
            return ticket, None, None
        case Identified():
            return ticket.received, ticket.caller, None
        case Routed():
            return ticket.identified.received, ticket.identified.caller, ticket


async def turn_away(rooms: Rooms, address: str) -> Answer | None:
    """Return the answer for nobody known from whom too much was refused, which gets no leaf; None while it gets one."""
    now = rooms.clock()
    left = rooms.flood.due(now)
    if left is not None:
        await record_left(rooms, left)
    if rooms.flood.strike(address, now):
        return None
    status, body = encode.refusal(FLOODED, None, None)
    return Answer(status, body, ((b"retry-after", b"%d" % rooms.flood.retry_after_s(now)),))


async def record_left(rooms: Rooms, left: Unrecorded) -> None:
    """Record in one leaf of the platform's log how many refusals had none of their own."""
    now = rooms.clock()
    call_id, nothing = audit.leaf.call_id(now, os.urandom(10)), audit.Target("")
    await record_denial(rooms, audit.Denial(call_id, now, rooms.platform, nothing, FLOODED, 0, requests=left.requests))


async def record_denial(rooms: Rooms, denial: audit.Denial, capture: model.Capture | None = None) -> int | None:
    """Record a refusal; return its index, or None where it cannot be written (nothing was done, so nothing is lost)."""
    try:
        return await rooms.recorder.append(denial.tenant, audit.encode(denial), capture)
    except audit.Unwritable:
        return None


def why(rooms: Rooms, call_id: str, told: Given) -> model.Why | None:
    """Return what a leaf says of what a client told: commitments to its context, and names in clear."""
    if told == NOTHING:
        return None
    key = rooms.commitment_key
    context = [
        model.Context(part, source, audit.leaf.commit(key, call_id, part, content))
        for part, source, content in told.context
    ]
    return model.Why(tuple(context), told.model, told.prompt_set)


def whose(
    rooms: Rooms, routed: Routed, field: Literal["args", "result"], content: bytes
) -> tuple[model.Whose | None, model.Capture | None]:
    """Return what a leaf of a call says of its payloads, and the payloads that go with it."""
    contents = _contents(content, routed.given) if field == "args" else (model.Content(field, content),)
    return _kept(rooms, routed.identified.caller, routed.target, contents)


def _contents(arguments: bytes, told: Given) -> tuple[model.Content, ...]:
    first = (model.Content("args", arguments),)
    return first + tuple([model.Content(part, content) for part, _, content in told.context]) if told.context else first


def _kept(
    rooms: Rooms, caller: Caller, target: Target | None, contents: tuple[model.Content, ...]
) -> tuple[model.Whose | None, model.Capture | None]:
    recording, key = rooms.recording, rooms.commitment_key
    if not recording.payloads:
        return None, None
    match target:
        case ToolTarget():
            tool = target.routed.tool
            return recording.keep(person_of(key, caller, tool, target.arguments), tool.retention, contents)
        case TaskTarget():
            return recording.keep(target.person, target.routed.tool.retention, contents)
        case _:
            return recording.keep(person_of(key, caller, None, {}), None, contents)


def given(received: Received) -> dict[str, object]:
    """Return what the caller asked for: a tool's arguments, or the parameters of any other method."""
    message = received.message
    if message.kind == "response":
        return {"id": message.id, "answer": message.payload.decode("utf-8", "replace")}
    return message.arguments if message.method == "tools/call" else message.params


def aim(received: Received, routed: Routed | None) -> audit.Target:
    """Return what the record says of a request's aim; where the name led nowhere, the name that was asked for."""
    method, era = received.message.method or "response", received.era.version
    if routed is None:
        asked = received.message.params.get("name")
        return audit.Target(received.route, method, era, tool=ToolId(asked) if isinstance(asked, str) else None)
    target, digest = routed.target, routed.snapshot.digest
    if isinstance(target, ToolTarget | TaskTarget):
        tool, server = target.routed.tool, target.routed.server
        known = server.name, tool.id, tool.digest, digest, tool.operation, tool.risk
        return audit.Target(received.route, method, era, *known)
    server = target.server if isinstance(target, ServerTarget | StreamTarget) else None
    server_name = None if server is None else server.name
    return audit.Target(received.route, method, era, server_name, snapshot=digest)
