"""Messages that the gateway answers itself, from the snapshot: opening, listing, ping, responses and notifications."""

from collections.abc import Mapping
from typing import Final

from tallystick import policy
from tallystick.gateway.offers import list_offers
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.tickets import Local, Routed
from tallystick.gateway.upstream import Client, Outbound
from tallystick.snapshot import Route, RoutedTool
from tallystick.terms import Caller, Refusal
from tallystick.wire import ERAS, Era, Reply, bridge, encode

END: Final = "end of session"
"""The name under which HTTP DELETE travels the corridor. INVARIANT: no method that a client sends can hold a blank."""

STREAM: Final = "stream of session"
"""The name under which HTTP GET travels the corridor."""

DEGRADED: Final = "tallystick.dev/degraded"
"""In `_meta` of a tool list: servers whose tools are listed, and which cannot be reached at the moment."""

LISTS_KEPT: Final = 32
"""Encoded tool lists kept, the oldest given up first. Many callers see the same tools: with this, a list of 1,000 of 50
servers was measured at 1.7 ms of CPU end to end, before at 4.7."""

# INVARIANT: the key names all that is in a list: the snapshot by its digest, and what this caller may see by name.
_lists: Final[dict[tuple[object, ...], Reply]] = {}

_PASSED_ON: Final = frozenset({"notifications/roots/list_changed"})
"""Notifications of a client that its server wants to have."""


async def answer(rooms: Rooms, routed: Routed, target: Local, outbound: Outbound | None) -> Reply:
    """Return the answer to a local message. `outbound` carries a notification, at a route with one server."""
    match target.answer:
        case "open":
            return _open(routed)
        case "list":
            return _list(rooms, routed)
        case "prompts" | "resources" | "templates" as offer:
            era = routed.identified.received.era
            return _result(list_offers(rooms, routed.route, routed.identified.caller, era, offer), era)
        case "respond":
            return _response(routed)
        case "note":
            await _note(rooms, routed, outbound)
        case "end":
            await _end(rooms, routed)
        case "ping":
            pass
    return Reply("result", None, b"{}")


def headers_of(rooms: Rooms, routed: Routed) -> tuple[tuple[bytes, bytes], ...]:
    """Return the further headers of an answer: a new session id where a session was opened."""
    received = routed.identified.received
    if not received.era.sessions or received.message.method != received.era.opening:
        return ()
    params, caller = received.message.params, routed.identified.caller
    client = Client(_object(params.get("capabilities")), _object(params.get("clientInfo")) or None)
    opened = rooms.sessions.begin(received.route, caller, received.era.version, client, rooms.clock())
    return ((b"mcp-session-id", opened.encode()),)


def listed(rooms: Rooms, found: Route, caller: Caller, era: Era) -> list[RoutedTool]:
    """Return the tools of a route that a caller may see."""
    admitted = found.admit(caller, rooms.clock())
    if admitted is None:
        return []
    # INVARIANT: what is listed is what may be called, by the same decision.
    return [
        tool
        for tool in found.tools.values()
        if rooms.holder.quarantined(tool.server.name, tool.tool.id) is None
        and policy.decide(tool.part, caller, None, era.version).effect == "allow"
        and (admitted.tools is None or tool.name in admitted.tools)
    ]


def _object(value: object) -> dict[str, object]:
    return {str(name): member for name, member in value.items()} if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - parsed JSON


def _open(routed: Routed) -> Reply:
    era, found = routed.identified.received.era, routed.route
    same = next((said for version, said in found.eras.items() if ERAS[version].sessions == era.sessions), None)
    said = same if same is not None else bridge.opening(next(iter(found.eras.values())), era)
    named = {"name": f"tallystick/{found.key}", "title": found.title, "version": "0.1"}
    opened: dict[str, object] = {"capabilities": _capabilities(_object(said.get("capabilities")))}
    if "instructions" in said:
        opened["instructions"] = said["instructions"]
    if era.sessions:
        opened |= {"protocolVersion": era.version, "serverInfo": named}
    else:
        opened |= {
            "supportedVersions": list(ERAS),
            "_meta": {"io.modelcontextprotocol/serverInfo": named},
        }
    return _result(opened, era)


def _capabilities(said: dict[str, object]) -> dict[str, object]:
    # The tasks of 2025-11-25 are not carried; and that tools have changed is the gateway's own to tell.
    kept = {name: value for name, value in said.items() if name != "tasks"}
    return {**kept, "tools": {**_object(kept.get("tools")), "listChanged": True}} if "tools" in kept else kept


def _list(rooms: Rooms, routed: Routed) -> Reply:
    era, found = routed.identified.received.era, routed.route
    tools = listed(rooms, found, routed.identified.caller, era)
    degraded = _degraded(rooms, tools)
    key = routed.snapshot.digest, found.key, era.sessions, tuple(degraded), tuple([tool.name for tool in tools])
    known = _lists.get(key)
    if known is None:
        result: dict[str, object] = {"tools": [tool.definition for tool in tools]}
        if degraded:
            result["_meta"] = {DEGRADED: degraded}
        known = _result(result, era)
        if len(_lists) >= LISTS_KEPT:
            del _lists[next(iter(_lists))]
        _lists[key] = known
    return known


def _degraded(rooms: Rooms, tools: list[RoutedTool]) -> list[str]:
    upstreams = rooms.upstreams()
    servers = dict.fromkeys([tool.server.name for tool in tools])
    return [name for name in servers if (upstream := upstreams.get(name)) is None or upstream.refuse() is not None]


def _result(result: dict[str, object], era: Era) -> Reply:
    if not era.sessions:
        # Lists depend on who asks, so nobody else may be given them (2026-07-28, caching).
        result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    return Reply("result", None, encode.value(result))


def _response(routed: Routed) -> Reply:
    message = routed.identified.received.message
    kind = "result" if message.rpc_code is None else "rpc_error"
    return Reply(kind, message.id, message.payload, message.rpc_code)


def deliver(rooms: Rooms, routed: Routed, reply: Reply) -> None:
    """Give a client's response to whoever asked. Only what is on record leaves, so this comes after it is."""
    session = routed.identified.session
    if session is not None and reply.id is not None:
        rooms.questions.answer(session.key, reply.id, reply)


async def _note(rooms: Rooms, routed: Routed, outbound: Outbound | None) -> None:
    message, session = routed.identified.received.message, routed.identified.session
    request_id = message.params.get("requestId")
    if message.method == "notifications/cancelled" and session is not None and isinstance(request_id, int | str):
        cancellation = rooms.under_way.get((session.key, request_id))
        if cancellation is not None:
            cancellation.say()
    if message.method in _PASSED_ON and outbound is not None and routed.route.server is not None:
        server, caller = routed.route.server, routed.identified.caller
        upstream = rooms.upstreams().get(server.name)
        if upstream is None:
            return
        admission = rooms.bulkhead.admit(server.name, server.limits.in_flight, caller.authority)
        # Left out where there is no room: it only says that something is worth asking for again.
        if not isinstance(admission, Refusal):
            with admission:
                await upstream.note(outbound)


async def _end(rooms: Rooms, routed: Routed) -> None:
    session, session_id = routed.identified.session, routed.identified.received.headers.session
    if session is None or session_id is None:
        return
    await rooms.sessions.end(session_id)
    for upstream in rooms.upstreams().values():
        await upstream.forget(session.conversation)
