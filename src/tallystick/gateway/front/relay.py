"""Requests that belong to another process of the same gateway, passed on to it over its unix socket, byte for byte.

Several processes share one port, and a client's next connection may reach any of them; what a session or a parked call
needs is in one. The process that passes on decides nothing and records nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import anyio

from tallystick.gateway.front.asgi import Receive, Send
from tallystick.gateway.upstream.http1 import Connection, Pool
from tallystick.terms import Refusal

CONNECT_S: Final = 2.0
"""Seconds that a sibling has to accept a connection; a sibling that is gone is done without."""

BACKLOG_BYTES: Final = 256 << 10
"""Bytes of an answer that wait for a slow client before the sibling is no longer read."""

_HOP_BY_HOP: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"expect"})
"""Headers of one hop (RFC 9110, section 7.6.1), and the framing, which is written anew."""

P = TypeVar("P", bound=asyncio.BaseProtocol)


class _Socket:
    """Opens connections to one sibling."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def connect(self, factory: Callable[[], P], host: str, port: int, *, tls: bool) -> P | Refusal:
        del host, port, tls
        try:
            _, protocol = await asyncio.get_running_loop().create_unix_connection(factory, str(self._path))
        except OSError as error:
            return Refusal("unavailable", (), "The sibling process is not there.", str(error))
        return protocol


class Relay:
    """The siblings of one process. `own` is its index; `sockets` are where all of them listen, by index."""

    def __init__(self, own: int, sockets: Sequence[Path]) -> None:
        """Connect to nobody yet."""
        self._own = own
        self._pools = [Pool(_Socket(path), "", 0, tls=False) for path in sockets]

    def is_elsewhere(self, worker: int | None) -> bool:
        """Tell whether a worker's index is another's than this process's, and one that exists."""
        return worker is not None and worker != self._own and worker < len(self._pools)

    async def pass_on(self, worker: int, request: bytes, receive: Receive, send: Send) -> bool:
        """Send a whole request to a sibling and its answer to the client; False when the sibling is not there."""
        connection = await self._pools[worker].acquire(CONNECT_S)
        if isinstance(connection, Refusal):
            return False
        passing = _Passing(connection)
        connection.send(request, passing)
        try:
            async with anyio.create_task_group() as relaying:
                relaying.start_soon(_leave, receive, relaying.cancel_scope)
                await passing.to(send)
                relaying.cancel_scope.cancel()
        finally:
            passing.abandon()
        return True


async def _leave(receive: Receive, relaying: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    relaying.cancel()


class _Passing:
    """The sink of a sibling's answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._start: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._pieces: deque[bytes] = deque()
        self._backlog = 0
        self._over = False
        self._failed = False
        self._stirred = anyio.Event()

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        kept = [(name, value) for name, value in headers.items() if name not in _HOP_BY_HOP]
        self._start = status, kept
        self._stirred.set()

    def chunk(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._backlog += len(piece)
        if self._backlog > BACKLOG_BYTES:
            self._connection.pause()
        self._stirred.set()

    def complete(self) -> None:
        self._over = True
        self._stirred.set()

    def fail(self, refusal: Refusal) -> None:
        del refusal
        self._over = self._failed = True
        self._stirred.set()

    def abandon(self) -> None:
        if not self._over:
            self._connection.abort()

    async def to(self, send: Send) -> None:
        """Send the answer on, piece by piece, as fast as the client reads."""
        while self._start is None and not self._over:
            await self._wait()
        status, headers = self._start or (502, [])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        while not (self._over and not self._pieces):
            while self._pieces:
                piece = self._pieces.popleft()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self._backlog -= len(piece)
            if not self._over:
                self._connection.resume()
                await self._wait()
        if not self._failed:
            await send({"type": "http.response.body", "body": b""})

    async def _wait(self) -> None:
        self._stirred = anyio.Event()
        await self._stirred.wait()


def request_of(method: str, path: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Return a client's request as it is passed on (RFC 9112): its own headers, framed anew."""
    lines = [b"%b %b HTTP/1.1" % (method.encode(), path)]
    lines.extend(b"%b: %b" % pair for pair in headers if pair[0].lower() not in _HOP_BY_HOP)
    lines.append(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    return b"\r\n".join(lines)
