"""Requests that are answered whole, on their connection and without ASGI's events (docs/adr/0007-callback-front.md)."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tallystick.gateway import Posted

if TYPE_CHECKING:
    from uvicorn._types import HTTPScope

WHOLE_BYTES: Final = 64 << 10
"""Most bytes of a body that is handed over whole; more comes piece by piece, and is held back when nobody reads it."""

_JOINED_BYTES: Final = 16 << 10
"""Most bytes of an answer that is copied behind its head; more is written beside it."""

_STATUS: Final = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


_Event = MutableMapping[str, object]


class Taker(NamedTuple):
    """Who takes POSTs whole: `route_of` the target of a request (None: it goes to the application), `take` answers."""

    route_of: Callable[[bytes], str | None]
    take: Callable[[Posted], Awaitable[None]]


class _Nobody(asyncio.Event):
    """Stands for the event of a request whose end nobody waits for: most requests need none."""

    def set(self) -> None:
        """Wake nobody."""


_NOBODY: Final = _Nobody()
_SCOPE: "HTTPScope" = {"method": "POST"}  # pyright: ignore[reportAssignmentType] - no more of it is read


class Whole(RequestResponseCycle):
    """One request, in the place of uvicorn's own, which still writes the rarer kind of answer: a stream.

    `due` says that its answer is the next one, `more_body` that it is not whole yet. What most requests have in common
    is kept in the class: it costs none of them anything.
    """

    access_log = waiting_for_100_continue = False
    disconnected = response_started = response_complete = False
    chunked_encoding = None
    expected_content_length = 0
    message_event = _NOBODY
    more_body = True
    due = False
    task: asyncio.Task[None] | None = None

    def __init__(self, protocol: HttpToolsProtocol, route: str, *, keep_alive: bool) -> None:
        self.route = route
        self.target = protocol.url
        self.client = protocol.client
        self.headers = protocol.headers
        self.content = b""
        self.keep_alive = keep_alive
        self.flow = protocol.flow
        self.transport = protocol.transport
        self.on_response = protocol.on_response_complete

    async def run(self, take: Callable[[Posted], Awaitable[None]], running: set[asyncio.Task[None]]) -> None:
        """Have it answered."""
        try:
            await take(self)
        finally:
            if self.task is not None:
                running.discard(self.task)
            if not self.response_complete and not self.disconnected:
                # Only a bug, or the listener's end, leads here: the client learns that no answer will come.
                self.transport.close()

    async def receive(self) -> _Event:  # pyright: ignore[reportIncompatibleMethodOverride] - ASGI's events either way
        """Wait until the client has gone: nothing else is still to come."""
        if self.message_event is _NOBODY:
            self.body, self.message_event = bytearray(), asyncio.Event()
        return {**await super().receive()}

    async def send(self, event: _Event) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as above
        """Write a piece of a stream."""
        if not self.response_started:
            self.scope, self.default_headers = _SCOPE, []
        await super().send(event)  # pyright: ignore[reportArgumentType] - as above

    async def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Write a whole answer; `lines` are its header lines, each with its end."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        last = b"content-length: %d\r\n\r\n" if self.keep_alive else b"connection: close\r\ncontent-length: %d\r\n\r\n"
        head = b"%b%b%b" % (_STATUS[status], lines, last % len(body))
        self.response_started = True
        if len(body) <= _JOINED_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
