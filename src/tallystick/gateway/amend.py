"""What is changed in the answers of servers: values that their client will repeat are sealed, and nothing is public.

Only the members named here are touched; every other byte passes as it came.
"""

from typing import Final

import msgspec

from tallystick.gateway.context import person_of
from tallystick.gateway.offers import with_pinned
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.sealing.held import HeldKind
from tallystick.gateway.target import PAGED, behind, subject_of
from tallystick.gateway.tickets import Routed, ServerTarget, TaskTarget, ToolTarget
from tallystick.registry import toolset as nouns
from tallystick.terms import Refusal, ServerId
from tallystick.toolsets import trim_result, trim_task
from tallystick.wire import Reply, encode

_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
_read: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def amend(rooms: Rooms, routed: Routed, reply: Reply) -> Reply:
    """Return a server's answer as its client may keep it."""
    if reply.kind not in ("result", "tool_error"):
        return reply
    if reply.result_type == "" and not routed.identified.received.era.sessions:
        reply = _complete(reply)
    target = routed.target
    if isinstance(target, ToolTarget):
        if reply.result_type not in ("", "complete"):
            return _interim(rooms, routed, reply, behind(target.routed))
        return reply if target.routed.trim is None else _trimmed(reply, target.routed.trim)
    if isinstance(target, TaskTarget):
        told, trim = _with(reply.payload, "taskId", target.told), target.routed.trim
        return reply._replace(payload=told if trim is None else trim_task(told, trim))
    return _server(rooms, routed, reply, target.server.name) if isinstance(target, ServerTarget) else reply


def _trimmed(reply: Reply, trim: nouns.Trim) -> Reply:
    # Before the outcome is recorded: the record commits to what its caller was given, with the marker in it.
    return reply._replace(payload=trim_result(reply.payload, trim, failed=reply.kind == "tool_error"))


def _complete(reply: Reply) -> Reply:
    # What a server leaves out means "complete", and some clients insist on reading it (2026-07-28, basic/index).
    rest = reply.payload.lstrip()[1:]
    comma = b"" if rest.lstrip().startswith(b"}") else b","
    return reply._replace(payload=b'{"resultType":"complete"' + comma + rest)


def _interim(rooms: Rooms, routed: Routed, reply: Reply, tool: str) -> Reply:
    """Seal the state of a question, or the id of a task."""
    message, target = routed.identified.received.message, routed.target
    if reply.result_type == "task":
        if isinstance(target, ToolTarget):
            # What comes of a task is the data of the same person, whom no argument will name again.
            caller, known = routed.identified.caller, target.routed.tool
            name, _, real = tool.partition("\n")
            tool = f"{name}\n{person_of(rooms.commitment_key, caller, known, target.arguments)}\n{real}"
        return _sealed(rooms, routed, reply, ("task", "taskId", tool))
    subject = subject_of(message, tool)
    if isinstance(subject, Refusal):
        # Unreachable while the intent commits to the same values; a state that cannot be bound is bound to nothing.
        return reply._replace(payload=_with(reply.payload, "requestState", ""))
    return _sealed(rooms, routed, reply, ("state", "requestState", subject))


def _server(rooms: Rooms, routed: Routed, reply: Reply, server: ServerId) -> Reply:
    method = routed.identified.received.message.method
    if reply.result_type not in ("", "complete"):
        return _interim(rooms, routed, reply, server)
    reply = reply._replace(payload=with_pinned(routed.snapshot.registry.pins.get(server), method, reply.payload))
    if method in PAGED and b"nextCursor" in reply.payload:
        reply = _sealed(rooms, routed, reply, ("cursor", "nextCursor", method))
    if not routed.identified.received.era.sessions and "cacheScope" in (members := _read(reply.payload)):
        # What policy allowed to one caller is no cache's to give to another (2026-07-28, caching).
        reply = reply._replace(payload=encode.value({**members, "cacheScope": "private"}))
    return reply


def _sealed(rooms: Rooms, routed: Routed, reply: Reply, member: tuple[HeldKind, str, str]) -> Reply:
    kind, name, subject = member
    said = _read(reply.payload).get(name)
    if said is None:
        return reply
    try:
        value = msgspec.json.decode(said, type=str)
    except msgspec.ValidationError:
        return reply  # null, or nothing that a client could repeat
    identified = routed.identified
    where = identified.received.route, identified.caller, subject
    return reply._replace(payload=_with(reply.payload, name, rooms.keeper.seal(kind, value, where, rooms.clock())))


def _with(payload: bytes, name: str, value: str) -> bytes:
    members: dict[str, object] = {**_read(payload)}
    return encode.value({**members, name: value}) if name in members else payload


def with_task_ids(message: bytes, tasks: dict[str, str]) -> bytes:
    """Return a notification of a server with the task id that its client knows (`tasks`: the server's to told)."""
    members = _read(message)
    params: dict[str, object] = {**_read(members.get("params", b"{}"))}
    raw = params.get("taskId")
    if not isinstance(raw, msgspec.Raw):
        return message
    told = tasks.get(msgspec.json.decode(raw, type=str))
    return encode.value({**members, "params": {**params, "taskId": told}}) if told is not None else message


def listened(subscription: int | str | None) -> bytes:
    """Return the result that ends a subscription (2026-07-28, basic/patterns/subscriptions)."""
    return encode.value({"resultType": "complete", "_meta": {_SUBSCRIPTION: subscription}})
