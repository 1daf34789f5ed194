"""Streams on which clients are told what happens unasked: `subscriptions/listen`, and the GET stream of a session.

MCP 2026-07-28, basic/patterns/subscriptions; 2025-11-25, basic/transports. A stream lasts no longer than the token that
opened it, and ends when policy no longer allows it.
"""

from collections.abc import Mapping
from typing import Final

import anyio

from tallystick import policy
from tallystick.gateway import amend
from tallystick.gateway.bridge.feeds import notifications_of
from tallystick.gateway.client import Channel
from tallystick.gateway.local import listed
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.tickets import Routed, StreamTarget
from tallystick.gateway.upstream import Exchange, Outbound, Wanted
from tallystick.terms import Refusal
from tallystick.wire import Reply, bridge, encode

STREAM_S: Final = 3600.0
"""Seconds after which a stream ends, so that its client comes back with a fresh token to a fresh decision."""

KEEP_ALIVE_S: Final = 25.0
"""Seconds of silence after which a comment shows that the stream is open, and finds out whether the client is."""

_LISTENING: Final = "subscriptions/listen"
_TOOLS_CHANGED: Final = encode.request(None, "notifications/tools/list_changed", {})


class _Stream:
    """One open stream."""

    __slots__ = ("_channel", "_rooms", "_routed", "_stirred", "_target", "listening")

    def __init__(self, rooms: Rooms, routed: Routed, target: StreamTarget) -> None:
        self._rooms = rooms
        self._routed = routed
        self._target = target
        self._channel: Channel = routed.identified.received.channel
        self._stirred = anyio.Event()
        self.listening = anyio.CancelScope()
        """What the server is listened to in."""

    def stir(self) -> None:
        """Look at the snapshot again, soon."""
        self._stirred.set()

    async def watch(self, exchange: Exchange) -> None:
        """Tell of changed tools, until policy no longer allows the stream."""
        before = self._tools()
        while before is not None:
            with anyio.move_on_after(KEEP_ALIVE_S) as silence:
                await self._stirred.wait()
            if silence.cancelled_caught:
                # And looks again: what let the caller in may have ended without anything being told.
                await self._channel.stay()
            self._stirred = anyio.Event()
            if _is_held_back(self._rooms, self._target):
                # INVARIANT: a server that is held back as a whole tells nobody anything, here neither.
                self.listening.cancel()
            now = self._tools()
            if now is not None and now != before and self._target.wanted.tools_list:
                await exchange.emit(_TOOLS_CHANGED)
            before = now

    def _tools(self) -> tuple[object, ...] | None:
        """Return what the caller may see of the route's tools now; None where it may no longer be here."""
        identified = self._routed.identified
        found = self._rooms.holder.find_route(self._routed.route.key, identified.caller, self._rooms.clock())
        if isinstance(found, Refusal):
            return None
        part = found.method(_LISTENING) if identified.received.message.method == _LISTENING else None
        allowed = policy.decide(part or found.connect, identified.caller, None, identified.received.era.version)
        if allowed.effect == "deny":
            return None
        return tuple(
            (tool.name, tool.tool.digest, tool.reason)
            for tool in listed(self._rooms, found, identified.caller, identified.received.era)
        )


class _Tagged:
    """The client's side of a stream: whatever is told carries the subscription's id, and task ids the client knows."""

    def __init__(self, side: Exchange, subscription: int | str | None, tasks: dict[str, str]) -> None:
        self._side = side
        self._subscription = subscription
        self._tasks = tasks

    @property
    def asks(self) -> bool:
        return self._side.asks

    async def emit(self, message: bytes) -> None:
        if self._subscription is None:
            await self._side.emit(message)
            return
        told = amend.with_task_ids(message, self._tasks) if self._tasks else message
        await self._side.emit(bridge.with_subscription(told, self._subscription))

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        return await self._side.ask(method, params, within_s)

    async def abandoned(self) -> None:
        await self._side.abandoned()


async def follow(rooms: Rooms, routed: Routed, target: StreamTarget, outbound: Outbound) -> Reply:
    """Keep a stream open until its client leaves, its time is over, or policy no longer allows it."""
    received = routed.identified.received
    subscription = received.message.id
    wanted = _allowed(routed, target.wanted)
    side = outbound.exchange
    stream, tagged = _Stream(rooms, routed, target), _Tagged(side, subscription, target.tasks)
    outbound.exchange, outbound.timeout_s = tagged, float("inf")
    if subscription is None:
        await received.channel.stay()
    else:
        await side.emit(bridge.acknowledged(subscription, _honoured(target, wanted)))
    rooms.streams.open.add(stream)
    try:
        with anyio.move_on_after(min(STREAM_S, max(0.0, _end(routed, rooms.clock()) - rooms.clock()))):
            async with anyio.create_task_group() as open_:
                open_.start_soon(_leave, received.channel, open_.cancel_scope)
                if target.server is not None and any(wanted):
                    open_.start_soon(_listen, rooms, routed, stream.listening, outbound)
                await stream.watch(tagged)
                open_.cancel_scope.cancel()
    finally:
        rooms.streams.open.discard(stream)
    return Reply("result", None, amend.listened(subscription))


def _end(routed: Routed, now: float) -> float:
    """Return when a stream's caller has to come again: when the token ends, or what let the caller in."""
    caller = routed.identified.caller
    admitted = routed.route.admit(caller, now)
    return now if admitted is None else min(caller.expires_at, admitted.until)


async def _leave(channel: Channel, stream: anyio.CancelScope) -> None:
    await channel.closed()
    stream.cancel()


async def _listen(rooms: Rooms, routed: Routed, listening: anyio.CancelScope, outbound: Outbound) -> None:
    # A server that has no stream to offer leaves the client with what the gateway itself has to tell.
    target = routed.target
    if not isinstance(target, StreamTarget) or target.server is None or _is_held_back(rooms, target):
        return
    upstream = rooms.upstreams().get(target.server.name)
    if upstream is None:
        return
    session_id, wanted = routed.identified.received.headers.session, target.wanted
    if routed.identified.received.message.id is None and session_id is not None:
        # INVARIANT: nothing waits between this and the listening, so what was subscribed while the stream was being
        # opened is heard of: it is kept by now, or the listener is there when it comes.
        wanted = wanted._replace(resources=rooms.sessions.resources_of(session_id))
    with listening:
        await upstream.listen(outbound, _allowed(routed, wanted))


def _is_held_back(rooms: Rooms, target: StreamTarget) -> bool:
    return target.server is not None and rooms.holder.quarantined(target.server.name, None) is not None


def _allowed(routed: Routed, wanted: Wanted) -> Wanted:
    """Return the part of what is wanted that policy allows: who may not list prompts is not told that they changed."""
    caller, era, found = routed.identified.caller, routed.identified.received.era.version, routed.route

    def may(method: str, arguments: dict[str, object] | None = None) -> bool:
        part = found.method(method)
        return part is not None and policy.decide(part, caller, arguments, era).effect == "allow"

    if not may(_LISTENING):
        return Wanted()
    return Wanted(
        wanted.prompts_list and may("prompts/list"),
        wanted.resources_list and may("resources/list"),
        tuple(uri for uri in wanted.resources if may("resources/subscribe", {"uri": uri})),
        wanted.tasks,
        wanted.tools_list,
    )


def _honoured(target: StreamTarget, wanted: Wanted) -> dict[str, object]:
    # That tools have changed is the gateway's own to tell too, so it is honoured whatever the server offers.
    tasks = tuple(target.tasks[task] for task in wanted.tasks)
    return notifications_of(wanted._replace(tasks=tasks, tools_list=target.wanted.tools_list))
