"""Requests that the gateway answers itself, from the snapshot: opening, listing, ping and notifications."""

from typing import Final

import msgspec

from tallystick import policy
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.tickets import Local, Routed
from tallystick.wire import ERAS, Era, Reply, encode

_HONOURED: Final = ("tools", "prompts", "resources", "completions", "logging", "extensions")
"""Capabilities of a server that hold through the gateway; what they promise in notifications is taken out."""

END: Final = "session/end"
"""The name under which HTTP DELETE travels the corridor; MCP has no method for it."""

_PROMISES: Final = frozenset({"listChanged", "subscribe"})


async def answer(rooms: Rooms, routed: Routed, target: Local) -> Reply:
    """Return the answer to a local request."""
    if target.answer == "open":
        return _open(routed)
    if target.answer == "list":
        return _list(routed)
    if target.answer == "note":
        _note(rooms, routed)
    if target.answer == "end":
        await _end(rooms, routed)
    return Reply("result", None, b"{}")


def headers_of(rooms: Rooms, routed: Routed) -> tuple[tuple[bytes, bytes], ...]:
    """Return the further headers of an answer: a new session id where a session was opened."""
    received = routed.identified.received
    if not received.era.sessions or received.message.method != received.era.opening:
        return ()
    caller, now = routed.identified.caller, rooms.clock()
    return ((b"mcp-session-id", rooms.sealer.seal(received.route, caller, received.era.version, now).encode()),)


def _open(routed: Routed) -> Reply:
    era, found = routed.identified.received.era, routed.route
    said = next(found.eras[version] for version in found.eras if ERAS[version].sessions == era.sessions)
    named = {"name": f"tallystick/{found.key}", "title": found.title, "version": "0.1"}
    opened: dict[str, object] = {"capabilities": _capabilities(said.get("capabilities"))}
    if "instructions" in said:
        opened["instructions"] = said["instructions"]
    if era.sessions:
        opened |= {"protocolVersion": era.version, "serverInfo": named}
    else:
        opened |= {
            "supportedVersions": [v for v in ERAS if not ERAS[v].sessions],
            "_meta": {"io.modelcontextprotocol/serverInfo": named},
        }
    return _result(opened, era)


def _capabilities(said: object) -> dict[str, object]:
    try:
        capabilities = msgspec.convert(said, dict[str, dict[str, object]])
    except msgspec.ValidationError:
        return {}
    return {
        name: {promise: value for promise, value in capabilities[name].items() if promise not in _PROMISES}
        for name in _HONOURED
        if name in capabilities
    }


def _list(routed: Routed) -> Reply:
    received, caller = routed.identified.received, routed.identified.caller
    era = received.era
    # INVARIANT: what is listed is what may be called, by the same decision.
    tools = [
        tool.definition
        for tool in routed.route.listing
        if policy.decide(tool.part, caller, None, era.version).effect == "allow"
    ]
    return _result({"tools": tools}, era)


def _result(result: dict[str, object], era: Era) -> Reply:
    if not era.sessions:
        # Lists depend on who asks, so nobody else may be given them (2026-07-28, caching).
        result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    return Reply("result", None, encode.value(result))


def _note(rooms: Rooms, routed: Routed) -> None:
    message, session = routed.identified.received.message, routed.identified.session
    request_id = message.params.get("requestId")
    if message.method == "notifications/cancelled" and session is not None and isinstance(request_id, int | str):
        cancellation = rooms.under_way.get((session.key, request_id))
        if cancellation is not None:
            cancellation.say()


async def _end(rooms: Rooms, routed: Routed) -> None:
    session = routed.identified.session
    if session is None:
        return
    rooms.sealer.end(session)
    for upstream in rooms.upstreams().values():
        await upstream.forget(session.key)
