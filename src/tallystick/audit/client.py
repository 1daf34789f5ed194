"""A gateway's end of the record: buffers leaves, sends them once per turn of the event loop, resolves them in order.

Fail closed: when the writer refuses, dies or falls too far behind, pending and later appends raise Unwritable. A client
that joined a writer by its socket joins again when there is one again; what was pending stays refused.

`order` is for commands: it does one thing with the running writer, or with one that it starts for that.
"""

import asyncio
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL
from typing import Final

import anyio

from tallystick.audit.desk import Fields
from tallystick.audit.leaf.call import SIZE_LIMIT
from tallystick.audit.model import Capture, Level, Unwritable
from tallystick.audit.reach import Reaching, fail
from tallystick.audit.tlog.tiles import pack
from tallystick.audit.writer import socket_of
from tallystick.audit.writer.frames import (
    ACKNOWLEDGED,
    HURRY,
    ONCE,
    PROGRESS,
    PROTOCOL,
    READY,
    REFUSED,
    TOLD,
    answers,
    bundle_of,
    check_capture,
    framed,
    order_frame,
    place_of,
    read_progress,
)
from tallystick.audit.writer.line import Line, read_told
from tallystick.terms import TallyError, TenantId

PENDING_LIMIT = 32_768
"""Leaves that may wait for their acknowledgement."""
PENDING_BYTES = 256 << 20
"""Bytes of leaves and payloads that may wait for it. What the socket does not take at once is in memory twice."""
JOIN_SECONDS: Final = 15
"""How long a writer may take to recover its logs before a worker gives up waiting for its greeting."""
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
"""Between two tries to join again: soon at first, since a writer is usually back in a second; then never a storm."""
ORDERS_LIMIT: Final = 256
"""Orders that may wait for their answer: clients ask for receipts, and an operator's order comes after all of these."""
_BUNDLE_LEAVES = 4096
_BUNDLE_BYTES: Final = 8 << 20
"""A frame ends with the leaf that reaches either: a writer takes in a frame as a whole."""
_STOP_SECONDS = 15
_KEY_BYTES = 32
_NOT_YET: Final = Unwritable("the audit writer has not answered yet")


class _Frame:
    """Leaves of one tenant that go in one frame, and who waits for each; `at` counts those that were answered."""

    __slots__ = ("at", "captures", "futures", "leaves", "size", "tenant")

    def __init__(self, tenant: TenantId) -> None:
        self.tenant = tenant
        self.leaves: list[bytes] = []
        self.futures: list[asyncio.Future[int]] = []
        self.captures: dict[int, bytes] = {}
        self.size = 0
        self.at = 0


class WriterClient(asyncio.Protocol):
    """A `Recorder` over one stream after the other to the writer process. Belongs to one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._open: dict[TenantId, _Frame] = {}
        self._full: list[_Frame] = []
        self._waiting: deque[_Frame] = deque()
        self._pending = self._pending_bytes = 0
        self._scheduled = self._hurried = False
        self._rest = b""
        self._failure: Unwritable | None = _NOT_YET
        self._reaching = Reaching()
        self._orders: dict[int, asyncio.Future[Fields]] = {}
        self._ordered = 0
        self.ready: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.commitment_key = b""
        self.host = ""

    def append(self, tenant: TenantId, leaf: bytes, capture: Capture | None = None) -> asyncio.Future[int]:
        """Send a leaf and what is captured with it; the future holds its index once both are durable.

        Raises Unwritable, now or when awaited; ValueError for a leaf or a capture that no writer takes.
        """
        if self._failure is not None:
            raise self._failure
        size = len(leaf)
        if not 0 < size <= SIZE_LIMIT:
            message = f"a leaf has 1 to {SIZE_LIMIT} bytes, this one has {size}"
            raise ValueError(message)
        content = b""
        if capture is not None:
            content = check_capture(capture)
            size += len(content)
        if self._pending >= PENDING_LIMIT or self._pending_bytes + size > PENDING_BYTES:
            message = (
                f"{self._pending} leaves wait for the audit writer ({self._pending_bytes >> 20} MiB); "
                "the disk is too slow for this load"
            )
            raise Unwritable(message)
        self._pending += 1
        self._pending_bytes += size
        future: asyncio.Future[int] = self._loop.create_future()
        frame = self._open.get(tenant)
        if frame is None:
            frame = self._open[tenant] = _Frame(tenant)
        if content:
            frame.captures[len(frame.leaves)] = content
        frame.leaves.append(leaf)
        frame.futures.append(future)
        frame.size += size
        if len(frame.leaves) >= _BUNDLE_LEAVES or frame.size >= _BUNDLE_BYTES:
            self._full.append(self._open.pop(tenant))
        self._schedule()
        return future

    def append_once(self, tenant: TenantId, topic: bytes, value: bytes, leaf: bytes) -> asyncio.Future[int]:
        """Append a leaf unless `value` is the last that anybody appended under this topic; the future holds its index.

        The writer remembers topics for its own lifetime. Raises Unwritable, now or when awaited.
        """
        transport = self._connected()
        # Answers come in the order of frames, so what waits goes first.
        self._flush()
        future: asyncio.Future[int] = self._loop.create_future()
        frame = _Frame(tenant)
        frame.futures.append(future)
        self._pending += 1
        self._waiting.append(frame)
        transport.write(framed(tenant, ONCE, pack([topic, value, leaf])))
        return future

    def reach(self, tenant: TenantId, index: int, level: Level) -> asyncio.Future[None]:
        """Wait until a leaf of this client has come as far as `level`; raises Unwritable, now or when awaited.

        The writer publishes without a pause for it. How long to wait for witnesses is the caller's choice: cancel.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        if level == "durable":
            future.set_result(None)
            return future
        self._connected()
        if not self._reaching.want(tenant, index, level, future):
            self._hurried = True
            self._schedule()
        return future

    async def prove(self, tenant: TenantId, index: int) -> str:
        """Return the tlog-proof of a leaf of this client, once a checkpoint covers it; raises Unwritable."""
        await self.reach(tenant, index, "published")
        asked = {"order": "prove", "tenant": tenant, "index": index, "year": self._reaching.year_of(tenant, index)}
        try:
            return str((await self.order(asked))["proof"])
        except TallyError as error:
            raise Unwritable(error.message) from error

    def order(self, fields: Fields) -> asyncio.Future[Fields]:
        """Give the writer an order (`audit.desk`); raises Unwritable, and TallyError with what the writer said."""
        transport = self._connected()
        if len(self._orders) >= ORDERS_LIMIT:
            message = f"{len(self._orders)} orders wait for the audit writer"
            raise Unwritable(message)
        self._flush()
        self._ordered += 1
        future: asyncio.Future[Fields] = self._loop.create_future()
        self._orders[self._ordered] = future
        transport.write(order_frame(self._ordered, fields))
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
        arrived, rest = answers(stream)
        for kind, number, count, text in arrived:
            if kind == ACKNOWLEDGED:
                self._acknowledge(number, count)
            elif kind == PROGRESS:
                self._reaching.move(read_progress(text))
            elif kind == REFUSED:
                self._refuse(count, Unwritable(text.decode()))
            elif kind == TOLD:
                self._tell(count, text)
            elif kind == READY:
                self._greet(text, count)
            else:
                self._failure = Unwritable(text.decode())
        self._rest = stream[rest:]

    def eof_received(self) -> bool:
        """Called by the event loop: the writer has gone, close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop: whatever has no acknowledgement is refused."""
        if self._failure is None or self._failure is _NOT_YET:
            self._failure = Unwritable(
                f"the audit writer has gone{f': {exc}' if exc else ''}; unless it is back soon, restart Tallystick"
            )
        self._waiting += (*self._full, *self._open.values())
        self._full.clear()
        self._open.clear()
        self._refuse(sum(len(frame.futures) - frame.at for frame in self._waiting), self._failure)
        self._reaching.fail(self._failure)
        for future in self._orders.values():
            fail(future, self._failure)
        self._orders.clear()
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

    def _connected(self) -> asyncio.Transport:
        if self._failure is not None or self._transport is None:
            raise self._failure or Unwritable("the audit writer is not connected")
        return self._transport

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._transport is None or self._failure is not None:
            return
        frames = [*self._full, *self._open.values()]
        self._full.clear()
        self._open.clear()
        parts: list[bytes] = []
        for frame in frames:
            parts.append(framed(frame.tenant, *bundle_of(frame.leaves, frame.captures)))
            # They are on the line: only the answers are waited for.
            frame.leaves, frame.captures = [], {}
        self._waiting += frames
        if self._hurried:
            self._hurried = False
            parts.append(framed("", HURRY, b""))
        if parts:
            self._transport.write(b"".join(parts))

    def _acknowledge(self, number: int, count: int) -> None:
        year, index = place_of(number)
        for tenant, futures in self._answered(count):
            self._reaching.note(tenant, year, range(index, index + len(futures)))
            for future in futures:
                if not future.done():
                    future.set_result(index)
                index += 1

    def _refuse(self, count: int, failure: Unwritable) -> None:
        for _, futures in self._answered(count):
            for future in futures:
                fail(future, failure)

    def _answered(self, count: int) -> Generator[tuple[TenantId, Sequence[asyncio.Future[int]]]]:
        """Take the next `count` off what waits, frame by frame."""
        self._pending -= count
        while count:
            frame = self._waiting[0]
            # Mostly one answer is for one whole frame.
            whole = not frame.at and count >= len(frame.futures)
            futures = frame.futures if whole else frame.futures[frame.at : frame.at + count]
            frame.at += len(futures)
            count -= len(futures)
            if frame.at == len(frame.futures):
                self._waiting.popleft()
                self._pending_bytes -= frame.size
            yield frame.tenant, futures

    def _tell(self, number: int, text: bytes) -> None:
        future = self._orders.pop(number, None)
        if future is None or future.done():
            return
        try:
            future.set_result(read_told(text))
        except TallyError as error:
            fail(future, error)


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
    state: Path, host: str, *, initialize: bool = False, listen: Path | None = None, further: Sequence[str] = ()
) -> AsyncGenerator[WriterClient]:
    """Run the writer process over a state directory and yield the client; at the end drain it and wait for it.

    `host` names new logs (`<host>/<tenant>/<year>`). Without `initialize` nothing is created but a next year's log.
    Further processes of the same user may `join_writer` at `listen`, by default `socket_of(state)`. `further` are flags
    of the writer's own (`--witness-policy` and others, see `writer.process`).
    """
    ours, theirs = socket.socketpair()
    with theirs:
        flags = ["--fd", str(theirs.fileno()), "--state", str(state), "--host", host]
        flags += ["--initialize"] if initialize else []
        flags += ["--listen", str(listen)] if listen is not None else []
        flags += further
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


def order(state: Path, fields: Fields, flags: Sequence[str] = ()) -> Fields:
    """Give an order (`audit.desk`) to the writer of a state directory and return its answer. Blocks.

    Where none runs one is started, with `flags`, and ended again. Raises TallyError with what the writer said, and
    Unwritable when there is no writer and none can be started.
    """
    with _line(state, flags) as line:
        line.greet()
        return line.order(fields)


@contextmanager
def _line(state: Path, flags: Sequence[str]) -> Generator[Line]:
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.connect(str(socket_of(state)))
    except OSError:
        # Nobody listens, or nobody ever could: the name may be too long for a socket.
        stream.close()
        with _own_writer(state, flags) as line:
            yield line
        return
    with stream:
        yield Line(stream)


@contextmanager
def _own_writer(state: Path, flags: Sequence[str]) -> Generator[Line]:
    ours, theirs = socket.socketpair()
    with theirs:
        words = ["--fd", str(theirs.fileno()), "--state", str(state), *flags]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "tallystick.audit.writer", *words],
            stdin=DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    try:
        with ours:
            yield Line(ours)
    finally:
        # It commits what it has, publishes, says that it stops, and ends.
        process.wait()
