"""HTTP/1.1 towards servers: keep-alive connections on httptools, callbacks only, no task and no future per request.

RFC 9112. Redirects are never followed. A request is never repeated once a byte of it may have left. What a server says
unasked, or beyond its answer, closes the connection, so that no answer can reach another request.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

import httptools

from tallystick.gateway.upstream.connector import unreachable
from tallystick.gateway.upstream.conversation import BROKEN_OFF
from tallystick.terms import Reason, Refusal

IDLE_S: Final = 4.0
"""Seconds after which an idle connection is not used again: most servers close theirs after 5, and would race us."""

HEADER_BYTES: Final = 64 << 10
"""Most bytes in a row that are no content: headers, the extensions of a chunk, trailers."""

TOO_LARGE: Final = Refusal(
    "upstream",
    (Reason.UPSTREAM_TOO_LARGE,),
    "The server's answer is larger than this server's limit. The call may have taken effect; ask for less, or have the "
    "limit raised.",
)


class Sink(Protocol):
    """Where the parts of one response go, in this order: `head`, any number of `chunk`, then `complete` or `fail`."""

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Take the status and the headers, by lower-case name."""
        ...

    def chunk(self, piece: bytes) -> None:
        """Take a piece of the body."""
        ...

    def complete(self) -> None:
        """Take note that the response is whole."""
        ...

    def fail(self, refusal: Refusal) -> None:
        """Take note that the response will never be whole."""
        ...


P = TypeVar("P", bound=asyncio.BaseProtocol)


class Opener(Protocol):
    """What opens connections: the outbound connector, or whatever leads to another process of this gateway."""

    async def connect(self, factory: Callable[[], P], host: str, port: int, *, tls: bool) -> P | Refusal:
        """Return the connected protocol, or the refusal that says why there is none."""
        ...


class Connection(asyncio.Protocol):
    """One connection to a server; carries one request at a time."""

    def __init__(self, pool: "Pool") -> None:
        """Belong to `pool`."""
        self._pool = pool
        self._sink: Sink | None = None
        self._headers: dict[bytes, bytes] = {}
        self._contentless = 0
        self._until_close = False
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self.idle_since = 0.0

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride] - a TCP loop gives no other transport
        self, transport: asyncio.Transport
    ) -> None:
        """Keep the transport. It is not looked at: uvloop's is no subclass of asyncio's."""
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes, sink: Sink) -> None:
        """Send a whole request; its response goes to `sink`."""
        self._sink = sink
        self._begin()
        if self._transport is not None:
            self._transport.write(request)

    def abort(self) -> None:
        """Drop the connection at once; a server takes that as the request's cancellation (2026-07-28, cancellation)."""
        self._sink = None
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading, because the client is slow."""
        if self.usable and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self.usable and self._transport is not None and self._paused:
            self._paused = False
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        # The parser collects a header of any length, in a trailer too, so what it is fed is counted.
        self._contentless += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Refusal(BROKEN_OFF.code, BROKEN_OFF.reasons, BROKEN_OFF.public_text, f"not HTTP/1.1: {error}"))
        if self._contentless > HEADER_BYTES:
            self._fail(TOO_LARGE)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request under way, if any: whole where the body was all that came until now, else failed."""
        self._pool.lose(self)
        sink, self._sink = self._sink, None
        if sink is not None and exc is None and self._until_close:
            sink.complete()
        elif sink is not None:
            sink.fail(BROKEN_OFF)

    def on_message_begin(self) -> None:
        """Refuse a response that nothing asked for (httptools callback)."""
        if self._sink is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header (httptools callback)."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Hand over the head (httptools callback)."""
        if self._is_interim() or self._sink is None:
            return
        framed = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        self._until_close = not framed  # RFC 9112, section 6.3, rule 8
        self._sink.head(self._parser.get_status_code(), self._headers)

    def on_body(self, piece: bytes) -> None:
        """Hand over a piece of the body (httptools callback)."""
        self._contentless = 0
        if self._sink is not None:
            self._sink.chunk(piece)

    def on_message_complete(self) -> None:
        """Hand over the end, and be idle again where the server allows (httptools callback)."""
        if self._is_interim():
            self._begin()
            return
        sink, self._sink = self._sink, None
        self._begin()
        if self._parser.should_keep_alive() and sink is not None and self.usable:
            self.resume()
            self._pool.rest(self)
        elif self._transport is not None:
            self._transport.close()
        if sink is not None:
            sink.complete()

    def _begin(self) -> None:
        self._headers = {}
        self._contentless = 0
        self._until_close = False

    def _is_interim(self) -> bool:
        # 100 and 103 announce the response (RFC 9110, section 15.2); 101, which was not asked for, fails in the parser.
        return self._parser.get_status_code() < HTTPStatus.OK

    def _fail(self, refusal: Refusal) -> None:
        sink, self._sink = self._sink, None
        if self._transport is not None:
            self._transport.abort()
        if sink is not None:
            sink.fail(refusal)


class Pool:
    """The idle connections to one origin, newest first. How many may be busy is the bulkhead's business."""

    def __init__(self, connector: Opener, host: str, port: int, *, tls: bool) -> None:
        """Name the origin."""
        self._connector = connector
        self._host, self._port, self._tls = host, port, tls
        self._idle: list[Connection] = []
        self._closed = False

    async def acquire(self, within_s: float) -> Connection | Refusal:
        """Return an idle or a new connection, which is the caller's until a request on it has ended."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now - connection.idle_since < IDLE_S:
                return connection
            connection.abort()
        try:
            async with asyncio.timeout(within_s):
                return await self._connector.connect(lambda: Connection(self), self._host, self._port, tls=self._tls)
        except TimeoutError:
            return unreachable(f"{self._host}:{self._port}: not connected in {within_s:.1f} s")

    def rest(self, connection: Connection) -> None:
        """Take a connection back."""
        if self._closed:
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def lose(self, connection: Connection) -> None:
        """Forget a connection that closed."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Drop every idle connection, and each one that comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().abort()
