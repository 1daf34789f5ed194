"""A gateway's end of the record: buffers leaves, sends them once per turn of the event loop, resolves them in order.

Fail closed: when the writer refuses, dies or falls too far behind, pending and later appends raise Unwritable. A client
that joined a writer by its socket joins again when there is one again; what was pending stays refused.
"""

import asyncio
import socket
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL
from typing import Final

import anyio

from tallystick.audit.leaf.call import SIZE_LIMIT
from tallystick.audit.model import Unwritable
from tallystick.audit.tlog.tiles import pack
from tallystick.audit.writer.sequence import ACKNOWLEDGED, ANSWER, FRAME, LEAVES, ONCE, PROTOCOL, READY, REFUSED
from tallystick.terms import TenantId

PENDING_LIMIT = 32_768
"""Leaves that may wait for their acknowledgement; at 8 KiB each the buffers stay below 256 MiB."""
JOIN_SECONDS: Final = 15
"""How long a writer may take to recover its logs before a worker gives up waiting for its greeting."""
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
"""Between two tries to join again: soon at first, since a writer is usually back in a second; then never a storm."""
_BUNDLE_LEAVES = 4096
_STOP_SECONDS = 15
_KEY_BYTES = 32
_NOT_YET: Final = Unwritable("the audit writer has not answered yet")


class WriterClient(asyncio.Protocol):
    """A `Recorder` over one stream after the other to the writer process. Belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._buffers: dict[TenantId, list[bytes]] = {}
        self._futures: dict[TenantId, list[asyncio.Future[int]]] = {}
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._pending = 0
        self._scheduled = False
        self._rest = b""
        self._failure: Unwritable | None = _NOT_YET
        self.ready: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.commitment_key = b""
        self.host = ""

    def append(self, tenant: TenantId, leaf: bytes) -> asyncio.Future[int]:
        """Send a leaf; the future holds its index once it is durable. Raises Unwritable, now or when awaited."""
        if self._failure is not None:
            raise self._failure
        size = len(leaf)
        if not 0 < size <= SIZE_LIMIT:
            message = f"a leaf has 1 to {SIZE_LIMIT} bytes, this one has {size}"
            raise ValueError(message)
        if self._pending >= PENDING_LIMIT:
            message = f"{self._pending} leaves wait for the audit writer; the disk is too slow for this load"
            raise Unwritable(message)
        self._pending += 1
        future: asyncio.Future[int] = self._loop.create_future()
        buffer = self._buffers.get(tenant)
        if buffer is None:
            buffer = self._buffers[tenant] = []
            self._futures[tenant] = []
        buffer.append(size.to_bytes(2, "big"))
        buffer.append(leaf)
        self._futures[tenant].append(future)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        return future

    def append_once(self, tenant: TenantId, topic: bytes, value: bytes, leaf: bytes) -> asyncio.Future[int]:
        """Append a leaf unless `value` is the last that anybody appended under this topic; the future holds its index.

        The writer remembers topics for its own lifetime. Raises Unwritable, now or when awaited.
        """
        if self._failure is not None or self._transport is None:
            raise self._failure or Unwritable("the audit writer is not connected")
        # Answers come in the order of frames, so what waits goes first.
        self._flush()
        future: asyncio.Future[int] = self._loop.create_future()
        self._pending += 1
        self._waiting.append(future)
        name, bundle = tenant.encode(), pack([topic, value, leaf])
        self._transport.write(FRAME.pack(len(bundle), len(name), ONCE) + name + bundle)
        return future

    def close(self) -> None:
        """Send what is buffered and end the stream; the writer answers what it has and ends."""
        if self._transport is not None and not self._transport.is_closing():
            self._flush()
            self._transport.write_eof()

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride] - a stream loop gives no other kind of transport
        self, transport: asyncio.Transport
    ) -> None:
        """Called by the event loop. The kind is not looked at: uvloop's transport is no subclass of asyncio's."""
        self._transport = transport
        self._rest, self._failure = b"", _NOT_YET

    @property
    def connected(self) -> bool:
        """Whether there is a writer that takes leaves."""
        return self._failure is None and self.ready.done() and not self.closed.done()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop: acknowledgements, in the order of the leaves."""
        stream = self._rest + data
        at, end = 0, len(stream)
        while end - at >= ANSWER.size:
            kind, number, count = ANSWER.unpack_from(stream, at)
            stop = at + ANSWER.size + (number if kind != ACKNOWLEDGED else 0)
            if stop > end:
                break
            text = stream[at + ANSWER.size : stop]
            at = stop
            if kind == ACKNOWLEDGED:
                self._acknowledge(number, count)
            elif kind == REFUSED:
                self._refuse(count, Unwritable(text.decode()))
            elif kind == READY:
                self._greet(text, count)
            else:
                self._failure = Unwritable(text.decode())
        self._rest = stream[at:]

    def eof_received(self) -> bool:
        """Called by the event loop: the writer has gone, close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop: whatever has no acknowledgement is refused."""
        if self._failure is None or self._failure is _NOT_YET:
            self._failure = Unwritable(
                f"the audit writer has gone{f': {exc}' if exc else ''}; unless it is back soon, restart Tallystick"
            )
        for futures in self._futures.values():
            self._waiting.extend(futures)
        self._futures.clear()
        self._buffers.clear()
        self._refuse(len(self._waiting), self._failure)
        self._transport = None
        if not self.ready.done():
            self.ready.set_exception(self._failure)
        self.closed.set_result(None)

    async def stay(self, path: Path) -> None:
        """Join again and again, for ever: whenever the writer has gone, the next one that listens there."""
        while True:
            # Not awaited itself: a cancelled wait must not cancel what others look at.
            await asyncio.wait([self.closed])
            pause = FIRST_PAUSE_S
            while not self.connected:
                await anyio.sleep(pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)
                with suppress(Unwritable):
                    await self.join(path)

    async def join(self, path: Path) -> None:
        """Connect to the writer that listens on a unix socket; raises Unwritable where there is none."""
        self.ready, self.closed = self._loop.create_future(), self._loop.create_future()
        try:
            await self._loop.create_unix_connection(lambda: self, str(path))
        except OSError as error:
            self._failure = Unwritable(f"no audit writer listens at {path}: {error.strerror}")
            self.closed.set_result(None)
            raise self._failure from error
        await asyncio.wait([self.ready], timeout=JOIN_SECONDS)
        if not self.ready.done() and self._transport is not None:
            self._transport.abort()
            await asyncio.wait([self.closed])
        await self.ready

    def _greet(self, text: bytes, protocol: int) -> None:
        key = text[:_KEY_BYTES]
        if protocol == PROTOCOL and self.commitment_key in (b"", key):
            self.commitment_key, self.host = key, text[_KEY_BYTES:].decode()
            self._failure = None
            self.ready.set_result(None)
        elif self._transport is not None:
            self._failure = Unwritable("the audit writer is another one than before; restart all of Tallystick")
            self._transport.abort()

    def _flush(self) -> None:
        self._scheduled = False
        if self._transport is None or self._failure is not None:
            return
        frames: list[bytes] = []
        for tenant, buffer in self._buffers.items():
            name = tenant.encode()
            for at in range(0, len(buffer), 2 * _BUNDLE_LEAVES):
                bundle = b"".join(buffer[at : at + 2 * _BUNDLE_LEAVES])
                frames += (FRAME.pack(len(bundle), len(name), LEAVES), name, bundle)
            self._waiting.extend(self._futures[tenant])
        self._buffers.clear()
        self._futures.clear()
        if frames:
            self._transport.write(b"".join(frames))

    def _acknowledge(self, first: int, count: int) -> None:
        self._pending -= count
        waiting = self._waiting
        for index in range(first, first + count):
            future = waiting.popleft()
            if not future.done():
                future.set_result(index)

    def _refuse(self, count: int, failure: Unwritable) -> None:
        self._pending -= count
        for _ in range(count):
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(failure)
                future.exception()  # a caller that was cancelled meanwhile will not fetch it; that is no warning


async def connect(stream: socket.socket) -> WriterClient:
    """Client on our end of a socket pair; raises Unwritable if the writer process at the other end cannot start."""
    loop = asyncio.get_running_loop()
    stream.settimeout(0)
    _, client = await loop.create_unix_connection(lambda: WriterClient(loop), sock=stream)
    await client.ready
    return client


@asynccontextmanager
async def join_writer(path: Path) -> AsyncGenerator[WriterClient]:
    """Join the writer that listens on a unix socket and yield the client; run its `stay` beside, to join it again."""
    client = WriterClient(asyncio.get_running_loop())
    await client.join(path)
    try:
        yield client
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(_STOP_SECONDS):
            client.close()
            await client.closed


@asynccontextmanager
async def start_writer(
    state: Path, host: str, *, initialize: bool = False, listen: Path | None = None
) -> AsyncGenerator[WriterClient]:
    """Run the writer process over a state directory and yield the client; at the end drain it and wait for it.

    `host` names new logs (`<host>/<tenant>/<year>`). Without `initialize` nothing is created but a next year's log.
    With `listen` further processes of the same user may `join_writer` on that unix socket.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        flags = ["--fd", str(theirs.fileno()), "--state", str(state), "--host", host]
        flags += ["--initialize"] if initialize else []
        flags += ["--listen", str(listen)] if listen is not None else []
        process = await anyio.open_process(
            [sys.executable, "-m", "tallystick.audit.writer", *flags],
            stdin=DEVNULL,
            stdout=None,
            stderr=None,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    client: WriterClient | None = None
    try:
        client = await connect(ours)
        yield client
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(_STOP_SECONDS) as patience:
            if client is not None:
                client.close()
                await client.closed
            await process.wait()
        if patience.cancelled_caught:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()
