"""The steps of the corridor, one per room: each takes the ticket before it and returns its own, or a refusal."""

import os
from typing import Final

from tallystick import approvals, audit, policy
from tallystick.gateway import context, local, streams
from tallystick.gateway.amend import amend
from tallystick.gateway.answer import INTERNAL, UNWRITABLE, aim, given, whose, why
from tallystick.gateway.client import Side
from tallystick.gateway.definitions import View
from tallystick.gateway.offers import UNKNOWN, is_pinned
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.sealing import Session, about, binding_of
from tallystick.gateway.target import PAGED, find
from tallystick.gateway.tickets import (
    Answered,
    Authorized,
    Cleared,
    Identified,
    Intended,
    Local,
    Received,
    Routed,
    ServerTarget,
    StreamTarget,
    Target,
    TaskTarget,
    ToolTarget,
)
from tallystick.gateway.upstream import Client, Outbound
from tallystick.guard import Admission, check_arguments
from tallystick.snapshot import LONGEST_REASON, fits_reason
from tallystick.terms import Caller, Decision, Reason, Refusal, ServerId
from tallystick.wire import ERAS, Reply, bridge, encode, envelope

_STREAMS: Final = ServerId("streams")
"""What the bulkhead of streams counts them under; they are not calls."""

_EXPLAINED: Final = frozenset({"reason", "intent", "prompt"})

_SUBSCRIBING: Final = frozenset({"resources/subscribe", "resources/unsubscribe"})


async def identify(rooms: Rooms, received: Received) -> Identified | Refusal:
    """2, identity: the token becomes a caller. There is no empty caller."""
    authenticator, audiences = rooms.authenticator(), rooms.audiences(received.route)
    authorization = received.headers.authorization
    caller = authenticator.lookup(authorization, audiences)
    if caller is None:
        found = await authenticator.authenticate(authorization, audiences)
        if isinstance(found, Refusal):
            return found
        caller = found
    return Identified(received, caller, None)


def _enter_session(rooms: Rooms, identified: Identified) -> Identified | Refusal:
    """Return the ticket with its session, where the era has sessions: it must be this caller's, on this route."""
    received, caller = identified.received, identified.caller
    if not received.era.sessions or received.message.method == received.era.opening:
        return identified
    session_id = received.headers.session
    if session_id is None:
        return Refusal(
            "invalid",
            (Reason.SESSION_REQUIRED,),
            "Open a session first: send initialize, then repeat its Mcp-Session-Id.",
        )
    session = rooms.sessions.open(session_id, rooms.clock())
    # INVARIANT: a session serves only the caller and the route that opened it.
    if session is None or session.binding != binding_of(caller) or session.route != received.route:
        return Refusal(
            "not_found", (Reason.SESSION_UNKNOWN,), "This session has ended. Send initialize to open a new one."
        )
    return _in_session(received, caller, session)


def _in_session(received: Received, caller: Caller, session: Session) -> Identified | Refusal:
    era = received.era
    if session.version != era.version:
        if received.headers.version is not None:
            said = f"This session was opened in version {session.version}; repeat that in MCP-Protocol-Version."
            return Refusal("invalid", (Reason.VERSION_UNSUPPORTED,), said)
        era = ERAS[session.version]
    return Identified(received._replace(era=era), caller, session)


def route(rooms: Rooms, identified: Identified) -> Routed | Refusal:
    """3, snapshot: the published route and name become a server and a pinned tool. Hidden is unknown."""
    entered = _enter_session(rooms, identified)
    if isinstance(entered, Refusal):
        return entered
    received = entered.received
    snapshot = rooms.holder.current
    found = rooms.holder.find_route(received.route, entered.caller, rooms.clock())
    if isinstance(found, Refusal) or snapshot is None:
        return found if isinstance(found, Refusal) else INTERNAL
    if not found.eras:
        return Refusal(
            "unavailable",
            (Reason.UPSTREAM_UNREACHABLE,),
            "The server behind this route was never pinned, so nothing is known of it. Ask the operator.",
        )
    given = context.read(received.told)
    if isinstance(given, Refusal):
        return given
    target = find(rooms, entered, found)
    if isinstance(target, Refusal):
        return target
    return Routed(
        entered,
        snapshot,
        found,
        target,
        given.with_argument(target.reason) if isinstance(target, ToolTarget) and target.reason is not None else given,
    )


def authorize(rooms: Rooms, routed: Routed) -> Authorized | Refusal:
    """4, guard and policy: the arguments fit the pinned schema, one decision allows the call, the bulkhead has room."""
    target, identified = routed.target, routed.identified
    received = identified.received
    caller, era = identified.caller, received.era.version
    if isinstance(target, ToolTarget):
        unfit = _unfit(received, target)
        # Somebody who may not call the tool at all learns that, and nothing about its arguments.
        decision = policy.decide(target.routed.part, caller, None if unfit else target.arguments, era)
        if decision.effect == "allow" and unfit is not None:
            return _held_back(rooms, target) or unfit
    elif isinstance(target, TaskTarget):
        # Whoever may still call the tool may see to what it began.
        decision = policy.decide(target.routed.part, caller, None, era)
    else:
        part = _part(routed)
        if part is None:
            return Refusal("invalid", (Reason.METHOD_UNKNOWN,), "This method is not offered on this route.")
        given = received.message.params if isinstance(target, ServerTarget) else None
        decision = policy.decide(part, caller, given, era)
    if decision.effect == "deny":
        return _denied(decision)
    held = _held_back(rooms, target) or _unpinned(routed)
    if held is not None:
        return held
    admission = _admit(rooms, target, caller)
    return admission if isinstance(admission, Refusal) else Authorized(routed, decision, admission)


def _held_back(rooms: Rooms, target: Target) -> Refusal | None:
    """Return the refusal of what is in quarantine. Only who may call it learns that it is there at all."""
    match target:
        case ToolTarget() | TaskTarget():
            return rooms.holder.withheld(target.routed.server.name, target.routed.tool.id)
        case ServerTarget():
            return rooms.holder.withheld(target.server.name, None)
        case _:
            return None


def _unpinned(routed: Routed) -> Refusal | None:
    """Return the refusal of a prompt that was never pinned, which is hidden as a tool would be."""
    target, message = routed.target, routed.identified.received.message
    if not isinstance(target, ServerTarget):
        return None
    return None if is_pinned(routed.snapshot.registry.pins.get(target.server.name), message) else UNKNOWN


def _unfit(received: Received, target: ToolTarget) -> Refusal | None:
    if target.reason is not None and not fits_reason(target.reason):
        said = f"`{target.routed.reason}` is a text of 1 to {LONGEST_REASON} characters: why you chose this tool."
        return Refusal("invalid", (Reason.ARGUMENTS_INVALID,), said)
    if target.given is not None:
        said = f"`{target.given}` is no argument here: this toolset has fixed it. Leave it out and call again."
        return Refusal("invalid", (Reason.ARGUMENTS_INVALID,), said)
    unfit = check_arguments(target.routed.validator, target.arguments)
    if unfit is None and received.era.mirrored and (target.routed.compared or received.headers.params):
        return envelope.check_params(target.routed.compared, target.arguments, received.headers.params)
    return unfit


def _part(routed: Routed) -> policy.Slice | None:
    method = routed.identified.received.message.method
    if isinstance(routed.target, ServerTarget):
        return routed.route.bundle.method(routed.target.server.name, method)
    asks_the_server = (
        isinstance(routed.target, StreamTarget) and routed.target.server is not None and method != local.STREAM
    )
    # The stream of a session opens to whoever may connect; what it carries is decided where it is opened.
    return routed.route.method(method) if asks_the_server else routed.route.connect


def _denied(decision: Decision) -> Refusal:
    return Refusal(
        "denied",
        decision.reasons,
        "Policy does not allow this call. Ask the owner of the server or of the policy, and quote the record number.",
        policy_ids=decision.policy_ids,
        decision=decision,
    )


def _admit(rooms: Rooms, target: Target, caller: Caller) -> Admission | Refusal | None:
    if isinstance(target, Local):
        return None
    if isinstance(target, StreamTarget):
        return rooms.streams.bulkhead.admit(_STREAMS, rooms.streams.at_most, caller.authority)
    server = target.server if isinstance(target, ServerTarget) else target.routed.server
    upstream = rooms.upstreams().get(server.name)
    closed = None if upstream is None else upstream.refuse()
    return closed or rooms.bulkhead.admit(server.name, server.limits.in_flight, caller.authority)


def clear(authorized: Authorized) -> Cleared | Refusal:
    """5, approvals: whatever policy obliged must have happened."""
    routed, decision = authorized.routed, authorized.decision
    if not decision.obligations:
        return Cleared(authorized)
    told = routed.given.parts if _has_to_explain(routed) else _EXPLAINED
    argument = routed.target.routed.reason if isinstance(routed.target, ToolTarget) else None
    return approvals.clear(decision, told, argument) or Cleared(authorized)


def _has_to_explain(routed: Routed) -> bool:
    """Tell whether a message stands for itself: not one that opens a route or lists what is there, nor one that asks
    how a task is doing, which goes with the call that began it."""
    if isinstance(routed.target, StreamTarget):
        return routed.identified.received.message.method != local.STREAM
    return not isinstance(routed.target, Local | TaskTarget)


async def intend(rooms: Rooms, cleared: Cleared) -> Intended | Refusal:
    """6, audit: the intent is durable before anything is forwarded."""
    authorized = cleared.authorized
    routed, now = authorized.routed, rooms.clock()
    call_id = audit.leaf.call_id(now, os.urandom(10))
    if isinstance(routed.target, Local):
        return Intended(cleared, call_id, None)
    identified = routed.identified
    unsent = rooms.unsent(identified.caller.tenant)
    if unsent is not None:
        return unsent
    arguments = audit.leaf.canonical(given(identified.received))
    if isinstance(arguments, Refusal):
        return arguments
    kept, capture = whose(rooms, routed, "args", arguments)
    intent = audit.Intent(
        call_id,
        now,
        identified.caller.tenant,
        identified.caller,
        aim(identified.received, routed),
        authorized.decision,
        audit.leaf.commit(rooms.commitment_key, call_id, "args", arguments),
        len(arguments),
        identified.session.key if identified.session else None,
        kept,
        context.trace_of(identified.received.message, identified.received.headers),
        why(rooms, call_id, routed.given),
        *(
            context.money_of(routed.target.routed.tool, routed.target.arguments)
            if isinstance(routed.target, ToolTarget)
            else ()
        ),
    )
    try:
        # INVARIANT: no durable intent, no call.
        index = await rooms.recorder.append(intent.tenant, audit.encode(intent), capture)
    except audit.Unwritable as failure:
        return Refusal(UNWRITABLE.code, UNWRITABLE.reasons, UNWRITABLE.public_text, failure.message)
    return Intended(cleared, call_id, index)


_PASSED: Final = frozenset({"prompts/get", "resources/read", *PAGED})
"""Requests besides tool calls that are held against what was approved."""


async def _compare(rooms: Rooms, routed: Routed, view: View) -> Refusal | None:
    """Have the server say again what it is, where this caller's view of it was not compared lately.

    Returns why the call is not sent: the server did not say, or says something else than was approved.
    """
    target = routed.target
    if isinstance(target, ToolTarget):
        server, risk = target.routed.server, target.routed.tool.risk
    elif isinstance(target, ServerTarget) and routed.identified.received.message.method in _PASSED:
        server, risk = target.server, "low"
    else:
        return None
    if rooms.watch.is_fresh(server, view, risk):
        return None
    return await rooms.watch.confirm(server, view) or _held_back(rooms, target)


async def send(rooms: Rooms, intended: Intended) -> Answered:
    """7, upstream: ask the server, or answer from the snapshot. Whatever happens is an answer with a status."""
    routed = intended.cleared.authorized.routed
    target = routed.target
    if isinstance(target, Local):
        # Nothing is on record of what a notification says, so nothing of it is passed on but its name.
        passed_on = _outbound(rooms, routed, {}) if target.answer == "note" else None
        return Answered(intended, "success", await local.answer(rooms, routed, target, passed_on))
    if isinstance(target, StreamTarget):
        outbound = _outbound(rooms, routed, {})
        return Answered(intended, "success", await streams.follow(rooms, routed, target, outbound))
    view = _view(rooms, routed)
    received = routed.identified.received
    session, request_id = routed.identified.session, received.message.id
    key = (session.key, request_id) if session is not None and request_id is not None else None
    if key is not None:
        # Before its server is asked what it is: a call that is cancelled meanwhile is not sent.
        rooms.under_way[key] = received.cancellation
    try:
        # INVARIANT: after the intent, so that without a record a server is not even asked what it is.
        reply = await _compare(rooms, routed, view) or await _ask(rooms, routed, target, view)
    finally:
        if key is not None:
            rooms.under_way.pop(key, None)
    return Answered(intended, _status(reply), reply)


async def _ask(
    rooms: Rooms, routed: Routed, target: ToolTarget | TaskTarget | ServerTarget, view: View
) -> Reply | Refusal:
    server = target.server if isinstance(target, ServerTarget) else target.routed.server
    upstream = rooms.upstreams().get(server.name)
    if upstream is None:
        return Refusal("upstream", (Reason.UPSTREAM_UNREACHABLE,), "The server is not running. Ask the operator.")
    outbound = _outbound(rooms, routed, target.params, view)
    outbound.timeout_s, outbound.result_bytes = server.limits.timeout_s, server.limits.result_bytes
    if isinstance(target, ToolTarget):
        outbound.mirrored = target.routed.mirrored
    reply = await upstream.ask(outbound)
    if isinstance(reply, Refusal):
        return reply
    await _keep(rooms, routed, reply)
    return amend(rooms, routed, reply)


def _outbound(rooms: Rooms, routed: Routed, params: dict[str, object], view: View | None = None) -> Outbound:
    identified = routed.identified
    received, session = identified.received, identified.session
    era, conversation, client = view or _view(rooms, routed)
    return Outbound(
        era,
        received.message.method,
        params,
        conversation,
        Side(received.channel, received.era, rooms.questions, session.key if session is not None else None),
        0.0,
        0,
        received.headers.params,
        received.cancellation,
        client,
    )


def _view(rooms: Rooms, routed: Routed) -> View:
    """Return whom the server takes its caller for."""
    identified = routed.identified
    received, session, session_id = identified.received, identified.session, identified.received.headers.session
    if session is not None and session_id is not None:
        return View(received.era, session.conversation, rooms.sessions.client_of(session_id))
    client = Client(*bridge.client_of(received.message.params))
    return View(received.era, _conversation(identified.caller.authority, client), client)


def _conversation(authority: str, client: Client) -> str:
    # A server with sessions fixes what its client can be asked when the session is opened, so each set has its own.
    if not client.capabilities:
        return authority
    return f"{authority}.{about(encode.value(client.capabilities))}"


async def _keep(rooms: Rooms, routed: Routed, reply: Reply) -> None:
    """Keep what a session's client has settled with its server, for whoever serves the session later."""
    message, session_id = routed.identified.received.message, routed.identified.received.headers.session
    if routed.identified.session is None or session_id is None or reply.kind != "result":
        return
    level, uri = message.params.get("level"), message.params.get("uri")
    if message.method == "logging/setLevel" and isinstance(level, str):
        await rooms.sessions.set_level(session_id, level)
    elif message.method in _SUBSCRIBING and isinstance(uri, str):
        await rooms.sessions.subscribe(session_id, uri, on=message.method == "resources/subscribe")


_STATUS_BY_REASON: Final[dict[Reason, audit.model.Status]] = {
    Reason.UPSTREAM_TIMEOUT: "timeout",
    Reason.CANCELLED: "cancelled",
    Reason.UPSTREAM_TOO_LARGE: "limited",
}


def _status(reply: Reply | Refusal) -> audit.model.Status:
    if isinstance(reply, Refusal):
        return _STATUS_BY_REASON.get(reply.reasons[0], "upstream_failure")
    return "success" if reply.kind == "result" else "tool_error" if reply.kind == "tool_error" else "rpc_error"
