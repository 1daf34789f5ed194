"""The steps of the corridor, one per room: each takes the ticket before it and returns its own, or a refusal."""

import os
from typing import Final

from tallystick import approvals, audit, policy
from tallystick.gateway import local
from tallystick.gateway.answer import INTERNAL, UNWRITABLE, aim, given
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.session import Session, binding_of
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
    Target,
    ToolTarget,
)
from tallystick.gateway.upstream import Outbound
from tallystick.guard import Admission, check_arguments
from tallystick.snapshot import Route
from tallystick.terms import Caller, Decision, Reason, Refusal, TenantId
from tallystick.wire import ERAS, Era, Message, Reply

_LOCAL: Final = {
    "initialize": Local("open"),
    "server/discover": Local("open"),
    "tools/list": Local("list"),
    "ping": Local("ping"),
}
"""Requests that the gateway answers itself, from the snapshot."""

_NOT_YET: Final = frozenset({"resources/subscribe", "resources/unsubscribe", "subscriptions/listen"})
"""Methods that would promise notifications which this gateway cannot deliver yet (docs/divergences.md)."""


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
    session = rooms.sealer.open(session_id, rooms.clock())
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
    received, tenant = entered.received, entered.caller.tenant
    snapshot = rooms.holder.current
    found = rooms.holder.find_route(received.route, tenant)
    if isinstance(found, Refusal) or snapshot is None:
        return found if isinstance(found, Refusal) else INTERNAL
    if not any(ERAS[version].sessions == received.era.sessions for version in found.eras):
        return Refusal(
            "invalid",
            (Reason.VERSION_UNSUPPORTED,),
            "The server behind this route speaks another protocol era, and eras are not bridged yet. Use the other.",
        )
    target = _target(rooms, received.message, received.era, found, tenant)
    return target if isinstance(target, Refusal) else Routed(entered, snapshot, found, target)


def _target(rooms: Rooms, message: Message, era: Era, found: Route, tenant: TenantId) -> Target | Refusal:
    method = message.method
    if method == "tools/call":
        return _tool_target(rooms, message, found, tenant)
    if message.kind == "notification":
        return Local("end" if method == local.END else "note")
    answer = _LOCAL.get(method)
    if answer is not None and method not in era.closed_methods:
        return answer
    if found.server is None or method in era.closed_methods or method in _NOT_YET:
        return Refusal("invalid", (Reason.METHOD_UNKNOWN,), f"The method {method[:80]!r} is not offered on this route.")
    return ServerTarget(found.server)


def _tool_target(rooms: Rooms, message: Message, found: Route, tenant: TenantId) -> ToolTarget | Refusal:
    name = message.params.get("name")
    if message.kind != "request" or not isinstance(name, str):
        return Refusal(
            "invalid", (Reason.MALFORMED,), "tools/call is a request with a name and an object of arguments."
        )
    routed = rooms.holder.resolve(found.key, name, tenant)
    return routed if isinstance(routed, Refusal) else ToolTarget(routed, message.arguments)


def authorize(rooms: Rooms, routed: Routed) -> Authorized | Refusal:
    """4, guard and policy: the arguments fit the pinned schema, one decision allows the call, the bulkhead has room."""
    target, identified = routed.target, routed.identified
    caller, era = identified.caller, identified.received.era.version
    if isinstance(target, ToolTarget):
        unfit = check_arguments(target.routed.validator, target.arguments)
        # Somebody who may not call the tool at all learns that, and nothing about its arguments.
        decision = policy.decide(target.routed.part, caller, None if unfit else target.arguments, era)
        if decision.effect == "allow" and unfit is not None:
            return unfit
    elif isinstance(target, ServerTarget):
        part = routed.route.method(identified.received.message.method)
        if part is None:
            return Refusal("invalid", (Reason.METHOD_UNKNOWN,), "This method is not offered on this route.")
        decision = policy.decide(part, caller, identified.received.message.params, era)
    else:
        decision = policy.decide(routed.route.connect, caller, None, era)
    if decision.effect == "deny":
        return _denied(decision)
    admission = _admit(rooms, target, caller)
    return admission if isinstance(admission, Refusal) else Authorized(routed, decision, admission)


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
    server = target.routed.server if isinstance(target, ToolTarget) else target.server
    return rooms.bulkhead.admit(server.name, server.limits.in_flight, caller.authority)


def clear(authorized: Authorized) -> Cleared | Refusal:
    """5, approvals: whatever policy obliged must have happened."""
    return approvals.clear(authorized.decision) or Cleared(authorized)


async def intend(rooms: Rooms, cleared: Cleared) -> Intended | Refusal:
    """6, audit: the intent is durable before anything is forwarded."""
    authorized = cleared.authorized
    routed, now = authorized.routed, rooms.clock()
    call_id = audit.call_id(now, os.urandom(10))
    if isinstance(routed.target, Local):
        return Intended(cleared, call_id, None)
    identified = routed.identified
    arguments = audit.canonical(given(identified.received))
    if isinstance(arguments, Refusal):
        return arguments
    intent = audit.Intent(
        call_id,
        now,
        identified.caller.tenant,
        identified.caller,
        aim(identified.received, routed),
        authorized.decision,
        audit.commit(rooms.commitment_key, call_id, "args", arguments),
        len(arguments),
        identified.session.key if identified.session else None,
    )
    try:
        # INVARIANT: no durable intent, no call.
        index = await rooms.recorder.append(intent.tenant, audit.encode(intent))
    except audit.Unwritable as failure:
        return Refusal(UNWRITABLE.code, UNWRITABLE.reasons, UNWRITABLE.public_text, failure.message)
    return Intended(cleared, call_id, index)


async def send(rooms: Rooms, intended: Intended) -> Answered:
    """7, upstream: ask the server, or answer from the snapshot. Whatever happens is an answer with a status."""
    routed = intended.cleared.authorized.routed
    if isinstance(routed.target, Local):
        reply = await local.answer(rooms, routed, routed.target)
        return Answered(intended, "success", reply)
    received = routed.identified.received
    session, request_id = routed.identified.session, received.message.id
    key = (session.key, request_id) if session is not None and request_id is not None else None
    if key is not None:
        rooms.under_way[key] = received.cancellation
    try:
        reply = await _ask(rooms, routed)
    finally:
        if key is not None:
            rooms.under_way.pop(key, None)
    return Answered(intended, _status(reply), reply)


async def _ask(rooms: Rooms, routed: Routed) -> Reply | Refusal:
    received, target = routed.identified.received, routed.target
    server = target.routed.server if isinstance(target, ToolTarget) else routed.route.server
    upstream = rooms.upstreams().get(server.name) if server is not None else None
    if server is None or upstream is None:
        return Refusal("upstream", (Reason.UPSTREAM_UNREACHABLE,), "The server is not running. Ask the operator.")
    params = received.message.params
    if isinstance(target, ToolTarget):
        params = {**params, "name": target.routed.tool.id}
    session = routed.identified.session
    return await upstream.ask(
        Outbound(
            received.era,
            received.message.method,
            params,
            session.key if session is not None else "",
            received.exchange,
            server.limits.timeout_s,
            server.limits.result_bytes,
            received.headers.params,
            received.cancellation,
        )
    )


_STATUS_BY_REASON: Final[dict[Reason, audit.Status]] = {
    Reason.UPSTREAM_TIMEOUT: "timeout",
    Reason.CANCELLED: "cancelled",
    Reason.UPSTREAM_TOO_LARGE: "limited",
}


def _status(reply: Reply | Refusal) -> audit.Status:
    if isinstance(reply, Refusal):
        return _STATUS_BY_REASON.get(reply.reasons[0], "upstream_failure")
    return "success" if reply.kind == "result" else "tool_error" if reply.kind == "tool_error" else "rpc_error"
