"""The steps of the corridor, one per room: each takes the ticket before it and returns its own, or a refusal."""

import os
from typing import Final

from tallystick import approvals, audit, policy
from tallystick.gateway import local
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.session import Session, binding_of
from tallystick.gateway.tickets import (
    Answer,
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
from tallystick.identity import challenge, metadata_url
from tallystick.snapshot import Route
from tallystick.terms import Caller, Decision, Reason, Refusal, TenantId
from tallystick.wire import ERAS, Era, Message, Reply, encode

_LOCAL: Final = {
    "initialize": Local("open"),
    "server/discover": Local("open"),
    "tools/list": Local("list"),
    "ping": Local("ping"),
}
"""Requests that the gateway answers itself, from the snapshot."""

_NOT_YET: Final = frozenset({"resources/subscribe", "resources/unsubscribe", "subscriptions/listen"})
"""Methods that would promise notifications which this gateway cannot deliver yet (docs/divergences.md)."""

UNWRITABLE: Final = Refusal(
    "unavailable",
    (Reason.RECORD_UNWRITABLE,),
    "Calls cannot be recorded at the moment, so none is made. Tell the operator, who starts with `tally audit verify`.",
)
EXECUTED_UNRECORDED: Final = Refusal(
    "unavailable",
    (Reason.RECORD_UNWRITABLE,),
    "The call was made but its outcome could not be recorded, so it is withheld. Do not repeat it; tell the operator.",
)


async def identify(rooms: Rooms, received: Received) -> Identified | Refusal:
    """2, identity: the token becomes a caller, and a session id proves to be this caller's on this route."""
    authenticator, audiences = rooms.authenticator(), rooms.audiences(received.route)
    authorization = received.headers.authorization
    caller = authenticator.lookup(authorization, audiences)
    if caller is None:
        found = await authenticator.authenticate(authorization, audiences)
        if isinstance(found, Refusal):
            return found
        caller = found
    if not received.era.sessions or received.message.method == received.era.opening:
        return Identified(received, caller, None)
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
    received, tenant = identified.received, identified.caller.tenant
    snapshot = rooms.holder.current
    found = rooms.holder.find_route(received.route, tenant)
    if isinstance(found, Refusal) or snapshot is None:
        return found if isinstance(found, Refusal) else UNWRITABLE
    if not any(ERAS[version].sessions == received.era.sessions for version in found.eras):
        return Refusal(
            "invalid",
            (Reason.VERSION_UNSUPPORTED,),
            "The server behind this route speaks another protocol era, and eras are not bridged yet. Use the other.",
        )
    target = _target(rooms, received.message, received.era, found, tenant)
    return target if isinstance(target, Refusal) else Routed(identified, snapshot, found, target)


def _target(rooms: Rooms, message: Message, era: Era, found: Route, tenant: TenantId) -> Target | Refusal:
    method = message.method
    if method == "tools/call":
        return _tool_target(rooms, message, found, tenant)
    if message.kind == "notification":
        return Local("end" if method == local.END else "note")
    answer = _LOCAL.get(method)
    if method in era.closed_methods or method in _NOT_YET or (answer is None and found.server is None):
        return Refusal("invalid", (Reason.METHOD_UNKNOWN,), f"The method {method[:80]!r} is not offered on this route.")
    if answer is not None:
        return answer
    return ServerTarget(found.server) if found.server is not None else UNWRITABLE


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
    given = _given(routed)
    arguments = audit.canonical(given)
    if isinstance(arguments, Refusal):
        return arguments
    intent = audit.Intent(
        call_id,
        now,
        identified.caller.tenant,
        identified.caller,
        _aim(identified.received, routed),
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


def _given(routed: Routed) -> dict[str, object]:
    """Return what the caller asked for: a tool's arguments, or the parameters of any other method."""
    target = routed.target
    return target.arguments if isinstance(target, ToolTarget) else routed.identified.received.message.params


def _aim(received: Received, routed: Routed | None) -> audit.Target:
    if routed is None:
        return audit.Target(received.route, received.message.method, received.era.version)
    target, digest = routed.target, routed.snapshot.digest
    if isinstance(target, ToolTarget):
        tool, server = target.routed.tool, target.routed.server
        return audit.Target(
            received.route, "tools/call", received.era.version, server.name, tool.id, tool.digest, digest
        )
    server_name = target.server.name if isinstance(target, ServerTarget) else None
    return audit.Target(received.route, received.message.method, received.era.version, server_name, snapshot=digest)


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


async def answer(rooms: Rooms, answered: Answered) -> Answer:
    """8, answer: the outcome is durable before the client learns it."""
    intended, reply = answered.intended, answered.reply
    routed = intended.cleared.authorized.routed
    received = routed.identified.received
    if received.message.id is None:
        return Answer(204 if received.message.method == local.END else 202, b"")
    try:
        index = await rooms.recorder.append(routed.identified.caller.tenant, audit.encode(_outcome(rooms, answered)))
    except audit.Unwritable as failure:
        withheld = EXECUTED_UNRECORDED if intended.leaf is not None else UNWRITABLE
        reply = Refusal(withheld.code, withheld.reasons, withheld.public_text, failure.message)
        index = None
    if isinstance(reply, Refusal):
        status, body = encode.refusal(reply, received.message.id, received.era, index)
        return Answer(status, body)
    member = "error" if reply.kind == "rpc_error" else "result"
    return Answer(200, encode.message(received.message.id, member, reply.payload), local.headers_of(rooms, routed))


def _outcome(rooms: Rooms, answered: Answered) -> audit.Outcome:
    intended, reply = answered.intended, answered.reply
    authorized = intended.cleared.authorized
    identified, now = authorized.routed.identified, rooms.clock()
    outside = intended.leaf is None
    told = None if isinstance(reply, Refusal) else reply.payload
    return audit.Outcome(
        intended.call_id,
        now,
        identified.caller.tenant,
        intended.leaf,
        answered.status,
        max(0, int((now - identified.received.started) * 1e6)),
        0 if told is None else len(told),
        None if told is None else audit.commit(rooms.commitment_key, intended.call_id, "result", told),
        None if isinstance(reply, Refusal) else reply.rpc_code,
        reply.reasons if isinstance(reply, Refusal) else (),
        _aim(identified.received, authorized.routed) if outside else None,
        identified.caller if outside else None,
        authorized.decision if outside else None,
    )


async def refuse(
    rooms: Rooms, received: Received, refusal: Refusal, caller: Caller | None = None, routed: Routed | None = None
) -> Answer:
    """8, answer: a refusal from any room is recorded, then told. It is told even where the record cannot be written."""
    now = rooms.clock()
    denial = audit.Denial(
        audit.call_id(now, os.urandom(10)),
        now,
        caller.tenant if caller is not None else owner_of(rooms, received.route),
        _aim(received, routed),
        refusal,
        0,
        caller,
    )
    index = await record_denial(rooms, denial)
    status, body = encode.refusal(refusal, received.message.id, received.era, index)
    if refusal.code == "unauthenticated":
        where = metadata_url(rooms.resource(received.route))
        return Answer(status, body, ((b"www-authenticate", challenge(where, refusal).encode("latin-1", "replace")),))
    return Answer(status, body)


async def record_denial(rooms: Rooms, denial: audit.Denial) -> int | None:
    """Record a refusal; return its index, or None where it cannot be written (nothing was done, so nothing is lost)."""
    try:
        return await rooms.recorder.append(denial.tenant, audit.encode(denial))
    except audit.Unwritable:
        return None


def owner_of(rooms: Rooms, route_key: str) -> TenantId:
    """Return the tenant whose log tells about a route: its owner, or the platform for a route that nobody has."""
    snapshot = rooms.holder.current
    found = snapshot.routes.get(route_key) if snapshot is not None else None
    return rooms.platform if found is None else found.tenant
