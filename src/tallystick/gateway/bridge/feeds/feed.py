"""What a server says unasked, fanned in: one stream at the server, however many clients listen.

MCP 2026-07-28, basic/patterns/subscriptions; 2025-11-25, basic/transports (GET stream) and server/resources.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Final

import anyio
import anyio.lowlevel

from tallystick.gateway.bridge.feeds.listener import Listener, Posed
from tallystick.gateway.bridge.feeds.wanted import LASTING_S, concerns, covers, key_of, listen_params, pause, union
from tallystick.gateway.bridge.heard import Alone, read_notice
from tallystick.gateway.bridge.way import UNASKABLE, Way, cancel
from tallystick.gateway.upstream.model import UNKNOWN_CLIENT, Call, Cancellation, Evidence, Outbound, Question, Wanted
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply, bridge

SETTLING_S: Final = 0.1
"""Seconds in which further wishes are collected before a stream is opened anew for them."""

DRAINING_S: Final = 5.0
"""Seconds for which a stream is still heard after another one took its place."""

UNWILLING_S: Final = 300.0
"""Seconds for which a server that offers no stream is not asked again."""

NOTICES: Final = 100
"""Notifications of one stream per second; then the server is read no further until the second is over."""

AT_A_TIME: Final = 256
"""Listeners that are told before everything else in the process has its turn."""

_LISTEN: Final = "subscriptions/listen"
_METHOD_NOT_FOUND: Final = -32601


class _Ear(Alone):
    """The client's side of a feed's stream, which is the feed itself."""

    def __init__(self, feed: "Feed") -> None:
        self._feed = feed

    async def emit(self, message: bytes) -> None:
        await self._feed.pace()
        await self._feed.tell(message)


class Manners:
    """What one server's feeds have learned together: which eras it offers no stream in, for now.

    `goes_on` says whether a stream is opened again in an era, after what the last one has shown of it.
    """

    def __init__(self, goes_on: Callable[[Era, Evidence], bool]) -> None:
        """Start with nothing learned."""
        self.goes_on = goes_on
        self.unwilling_until: dict[bool, float] = {}


class Feed:
    """One stream of a server and who listens to it.

    A key of kind `own`: the stream belongs to one client's session, so whatever comes on it is for that client.
    Otherwise each listener gets what it wanted, and nobody can be asked; of kind `conversation`, it is the stream of
    the session in which the listeners' own calls are made. `ended`: nobody else is told anything by this one.
    """

    def __init__(self, way: Way, outbound: Outbound, key: tuple[str, str], manners: Manners) -> None:
        """Stream in the era and with the limits of `outbound`, for the context that `key` names."""
        self._way = way
        self._manners = manners
        self._era = outbound.era
        self._own = key[0] == "own"
        in_session = self._in_session = key[0] in ("own", "conversation")
        self._spread = sha256(f"{way.name} {key}".encode()).digest()[0] / 255
        # INVARIANT: a stream that several principals share claims no client's capabilities, so its server asks nobody.
        self._outbound = replace(
            outbound,
            params={},
            conversation=outbound.conversation if in_session else f"feed {key[1]}",
            exchange=_Ear(self),
            cancellation=Cancellation(),
            client=outbound.client if in_session else UNKNOWN_CLIENT,
            param_headers={},
            mirrored=(),
        )
        self.listeners: dict[Listener, None] = {}
        self.ended = False
        self._covered = Wanted()
        self._evidence: Evidence = "unknown"
        self._subscribed: set[str] = set()
        self._stir: Callable[[], None] | None = None
        self._running = anyio.CancelScope()
        self._second, self._told = 0, 0

    def add(self, listener: Listener) -> None:
        """Let a client listen; the stream grows with it where that is needed."""
        self.listeners[listener] = None
        self.look(listener)

    def remove(self, listener: Listener) -> None:
        """Let a client go; with the last one the stream ends."""
        self.listeners.pop(listener, None)
        if not self.listeners:
            self._running.cancel()

    def look(self, listener: Listener) -> None:
        """See whether the stream still covers what a listener wants."""
        if self._stir is not None and not covers(self._covered, listener.wanted):
            self._stir()

    async def run(self) -> None:
        """Keep the stream open for as long as somebody listens, and the server speaks the era."""
        try:
            await self._keep_open()
        finally:
            # Whatever ended it: nobody waits for a stream that is no more, and whoever comes next opens another.
            self.ended = True
            for listener in tuple(self.listeners):
                listener.move()
        # The session of a conversation is that of its calls too: they go on without anybody who listens.
        if self._era.sessions and not self._in_session:
            await self._way.transport.forget(self._outbound.conversation)

    def leave(self, era: Era) -> None:
        """End the stream where it is one of `era`, which its server does not speak any more; its listeners move."""
        if self._era.sessions == era.sessions:
            self._running.cancel()

    async def tell(self, message: bytes) -> None:
        """Hand a notification of the server to whoever wants it, each in its era."""
        notice = read_notice(message)
        if notice is None:
            return
        forms: dict[str, bytes | None] = {}
        key = key_of(notice)
        # A copy, because listeners come and go while the others get their turn. What comes on a client's own stream
        # goes out on one of its streams only (2025-11-25, basic/transports).
        told = tuple(self.listeners)[-1:] if self._own else tuple(self.listeners)
        for number, listener in enumerate(told, 1):
            if number % AT_A_TIME == 0:
                await anyio.lowlevel.checkpoint()
            if not self._own and not concerns(listener.wanted, notice):
                continue
            version = listener.era.version
            if version not in forms:
                forms[version] = bridge.notification(notice.method, message, listener.era)
            form = forms[version]
            if form is not None:
                listener.tell(key, form)

    async def pace(self) -> None:
        """Let a flooding server wait."""
        now = self._way.clock()
        if int(now) != self._second:
            self._second, self._told = int(now), 0
        self._told += 1
        if self._told > NOTICES:
            await self._way.sleep(1.0 - now % 1.0)

    async def _keep_open(self) -> None:
        failures, kind = 0, self._era.sessions
        with self._running:
            while self.listeners:
                began = self._way.clock()
                await self._way.sleep(max(0.0, self._manners.unwilling_until.get(kind, began) - began))
                unwilling = await self._stream()
                if not self._manners.goes_on(self._era, self._shown(unwilling=unwilling)):
                    break
                failures = 1 if self._way.clock() - began >= LASTING_S else failures + 1
                await self._way.sleep(0.0 if unwilling else pause(failures, self._spread))

    def _shown(self, *, unwilling: bool) -> Evidence:
        """Return what the last stream has shown of the era, and note that the server offers none, where it is so."""
        if not unwilling:
            return self._evidence
        kind, now = self._era.sessions, self._way.clock()
        is_news = now >= self._manners.unwilling_until.get(kind, now)
        self._manners.unwilling_until[kind] = now + UNWILLING_S
        # Who does not speak an era with sessions refuses its stream like one who offers none: worth one question.
        return "not_spoken" if kind and is_news else self._evidence

    def _wanted(self) -> Wanted:
        return union(listener.wanted for listener in self.listeners)

    async def _stream(self) -> bool:
        """Open the stream and follow it to its end; return whether the server offers none."""
        call: Call | None = None
        self._evidence = "unknown"
        try:
            while True:
                opened = await (self._open_session_stream() if self._era.sessions else self._open_listening())
                if call is not None:
                    self._way.background.start(partial(self._drain, call))
                call = None if isinstance(opened, Refusal) else opened
                if isinstance(opened, Refusal):
                    return _is_unwilling(opened)
                end = await self._follow(opened)
                self._evidence = opened.evidence
                if end is not None:
                    call = None
                    return _is_unwilling(end)
                await self._way.sleep(SETTLING_S)
        finally:
            if call is not None:
                await cancel(call)

    async def _drain(self, call: Call) -> None:
        """Hear a replaced stream for a while: the server may tell something before it knows of the new one."""
        try:
            await call.follow(replace(self._outbound, timeout_s=DRAINING_S))
        finally:
            await cancel(call)

    async def _open_listening(self) -> Call | Refusal:
        self._covered = self._wanted()
        params = listen_params(self._covered, self._era)
        return await self._way.transport.begin(replace(self._outbound, method=_LISTEN, params=params), self._era)

    async def _open_session_stream(self) -> Call | Refusal:
        self._subscribed.clear()
        return await self._way.transport.open_stream(self._outbound)

    async def _follow(self, call: Call) -> Reply | Refusal | None:
        """Follow a stream to its end; None when it has to be opened anew for more wishes."""
        following = replace(self._outbound, timeout_s=float("inf"))
        while True:
            if self._era.sessions:
                await self._subscribe()
            end: Reply | Refusal | Question | None = None
            with anyio.CancelScope() as scope:
                self._stir = scope.cancel
                if covers(self._covered, self._wanted()):
                    end = await call.follow(following)
            self._stir = None
            if isinstance(end, Question):
                await self._pose(call, end)
            elif end is not None or not self._era.sessions:
                return end

    async def _pose(self, call: Call, question: Question) -> None:
        listener = next(reversed(self.listeners), None) if self._own else None
        if listener is None:
            await call.respond(question, UNASKABLE)
        else:
            await listener.pose(Posed(call, question))

    async def _subscribe(self) -> None:
        """Bring the server's subscriptions in line with what is wanted (2025-11-25, server/resources)."""
        self._covered = self._wanted()
        wanted = set(self._covered.resources)
        for method, uris in (
            ("resources/subscribe", wanted - self._subscribed),
            ("resources/unsubscribe", self._subscribed - wanted),
        ):
            for uri in sorted(uris):
                request = replace(self._outbound, method=method, params={"uri": uri})
                call = await self._way.transport.begin(request, self._era)
                if not isinstance(call, Refusal):
                    await call.follow(request)
        self._subscribed = wanted


def _is_unwilling(end: Reply | Refusal) -> bool:
    if isinstance(end, Refusal):
        return end.reasons[0] is Reason.METHOD_UNKNOWN
    return end.rpc_code == _METHOD_NOT_FOUND
