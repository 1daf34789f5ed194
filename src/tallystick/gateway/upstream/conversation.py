"""One request under way at a server: notifications as they come, then exactly one end, whatever the transport.

The first 50 ms of a silent call cost one future and one timer. Only a call that lasts longer, or that has something to
tell, pays for watching whether its client is still there and still reads.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import anyio

from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply

PATIENCE_S: Final = 0.05
"""Seconds after which a call counts as slow and its client is watched."""

TIMED_OUT: Final = Refusal(
    "upstream",
    (Reason.UPSTREAM_TIMEOUT,),
    "The server did not answer in time. The call may have taken effect; look before you repeat it.",
)
CANCELLED: Final = Refusal("upstream", (Reason.CANCELLED,), "The call was cancelled by its client.")
BROKEN_OFF: Final = Refusal(
    "upstream",
    (Reason.UPSTREAM_BROKEN,),
    "The server broke off before it answered. The call may have taken effect; look before you repeat it.",
)


class Exchange(Protocol):
    """The client's side of a call, as far as the way out needs it."""

    async def emit(self, message: bytes) -> None:
        """Pass one notification to the client; waits while the client is slow."""
        ...

    async def abandoned(self) -> None:
        """Return when the client has gone in a way that cancels its request; never otherwise."""
        ...


class Cancellation:
    """A client's wish to stop one call: said once, heard by whoever is interested then or later."""

    __slots__ = ("_listener", "said")

    def __init__(self) -> None:
        """Start with nothing said."""
        self.said = False
        self._listener: Callable[[], None] | None = None

    def say(self) -> None:
        """Cancel the call."""
        self.said = True
        if self._listener is not None:
            self._listener()

    def heard_by(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the wish is said, at once if it already was."""
        self._listener = listener
        if self.said:
            listener()


@dataclass(slots=True)
class Outbound:
    """One request to a server. `conversation` keys the upstream session in eras that have them.

    `params` belong to this call. `timeout_s` bounds each step of the way out and the wait for the answer, in seconds.
    """

    era: Era
    method: str
    params: dict[str, object]
    conversation: str
    exchange: Exchange
    timeout_s: float
    result_bytes: int
    param_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cancellation: Cancellation = field(default_factory=Cancellation)


class Upstream(Protocol):
    """A server that can be asked."""

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request and return its end. A refusal means that no answer came; the call may have taken effect."""
        ...

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Return what the server says of itself in an era: its answer to the era's opening method."""
        ...

    async def forget(self, conversation: str) -> None:
        """End the upstream session of a conversation, if there is one."""
        ...

    def close(self) -> None:
        """Let go of connections and processes, because the configuration no longer has this way to the server."""
        ...


class Conversation:
    """What a connector tells about one request, and what the corridor hears of it."""

    __slots__ = ("_backlog", "_end", "_events", "_relief", "_slow", "_wake")

    def __init__(self, relief: Callable[[], None] | None = None) -> None:
        """Start with nothing heard. `relief` is called whenever the client has taken a notification."""
        self._events: deque[bytes] = deque()
        self._backlog = 0
        self._relief = relief
        self._end: Reply | Refusal | None = None
        self._wake: asyncio.Future[None] | None = None
        self._slow = False

    @property
    def ended(self) -> bool:
        """Whether the end has come."""
        return self._end is not None

    @property
    def backlog(self) -> int:
        """Bytes of notifications that the client has not taken yet."""
        return self._backlog

    def tell(self, notification: bytes) -> None:
        """Add a notification for the client."""
        if self._end is None:
            self._events.append(notification)
            self._backlog += len(notification)
            self._stir()

    def end(self, reply: Reply | Refusal) -> None:
        """End the conversation; every end but the first is ignored."""
        # INVARIANT: one request has one end, so one outcome leaf.
        if self._end is None:
            self._end = reply
            self._stir()

    async def follow(self, outbound: Outbound) -> Reply | Refusal:
        """Pass on notifications until the end, the deadline or the client's cancellation, and return which it was.

        A client that does not take its notifications keeps the call open until the deadline and no longer.
        """
        outbound.cancellation.heard_by(lambda: self.end(CANCELLED))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + outbound.timeout_s
        timer = loop.call_later(min(PATIENCE_S, outbound.timeout_s), self._lose_patience)
        try:
            while self._end is None and not self._slow and not self._events:
                await self._stirred()
        finally:
            timer.cancel()
        if self._end is None or self._events:
            await self._follow_slowly(outbound.exchange, deadline)
        return self._end or TIMED_OUT

    async def settle(self) -> None:
        """Wait for the end of a conversation whose end does not matter, and which has no client."""
        while self._end is None:
            await self._stirred()

    async def _follow_slowly(self, exchange: Exchange, deadline: float) -> None:
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._watch, exchange, watching.cancel_scope)
            watching.cancel_scope.deadline = deadline
            await self._pass_on(exchange)
            watching.cancel_scope.cancel()
        self.end(TIMED_OUT)

    async def _watch(self, exchange: Exchange, following: anyio.CancelScope) -> None:
        await exchange.abandoned()
        self.end(CANCELLED)
        following.cancel()

    async def _pass_on(self, exchange: Exchange) -> None:
        while True:
            while self._events:
                await exchange.emit(self._events[0])
                self._backlog -= len(self._events.popleft())
                if self._relief is not None:
                    self._relief()
            if self._end is not None:
                return
            await self._stirred()

    async def _stirred(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        await self._wake
        self._wake = None

    def _lose_patience(self) -> None:
        self._slow = True
        self._stir()

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
