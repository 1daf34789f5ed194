"""The loop of the writer process: many clients' leaves become one order, one batch and one sync per log and round.

Whatever has arrived from all clients is one round; what arrives meanwhile is the next. There is no timer. A client is
answered in the order of its own frames, after its leaves are durable, and never waited for. One that sends what is no
frame, does not read its answers or goes away is dropped, and the intents that it left open are closed as in doubt.

Frame to the writer: u32 length of the bundle, u8 length of the tenant, u8 kind, tenant, bundle. The bundle of LEAVES is
leaves; that of ONCE is topic, value and one leaf, which is written unless `value` was the last one of its topic.
Frame from the writer: u8 kind, u64 number, u32 count, and for kinds with text `number` bytes of it.
"""

import os
import socket
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from struct import Struct
from typing import Final, NamedTuple, Protocol

from tallystick.audit.leaf.call import SIZE_LIMIT
from tallystick.audit.model import Unwritable
from tallystick.audit.tlog.tiles import unpack

FRAME: Final = Struct(">IBB")
ANSWER: Final = Struct(">BQI")
LEAVES, ONCE = range(2)
ACKNOWLEDGED, REFUSED, READY, FATAL = range(4)
PROTOCOL: Final = 1
"""Told as the count of READY: a worker and a writer of different releases must not guess."""
BUNDLE_LIMIT: Final = 64 << 20
ANSWERS_LIMIT: Final = 4 << 20
"""Bytes of answers kept for a client that does not read them: several times what its pending leaves can cause."""
CLIENTS_LIMIT: Final = 256
_CHUNK: Final = 1 << 20
_CREDENTIALS: Final = Struct("3i")
_LATE: Final = b"the call was closed as in doubt when its worker or the writer had gone; its end comes too late"


class Refused(Unwritable):
    """A leaf that is refused, and no reason to stop for the others."""


class Run(NamedTuple):
    """Leaves in a row: the index of the first, or None where they come too late; and how many."""

    first: int | None
    leaves: int


class Ledger(Protocol):
    """What commits: the logs of all tenants."""

    def append(self, tenant: str, leaves: Sequence[bytes], owners: Sequence[int]) -> list[Run]:
        """Make leaves durable; raises Refused for all of them, or Unwritable, and then for ever."""
        ...

    def orphan(self, owner: int) -> None:
        """Close the open intents of a client that has gone."""
        ...


@dataclass(slots=True)
class _Order:
    """One frame of a client and the answer that it will get."""

    client: "_Client"
    tenant: str
    kind: int
    leaves: list[bytes]
    answer: bytes = b""


@dataclass(slots=True, eq=False)
class _Client:
    """A connection. `number` owns its intents; `kept` ones were inherited, and while one lives new ones are let in."""

    stream: socket.socket
    number: int
    kept: bool
    slow: bool = False
    arrived: bytearray = field(default_factory=bytearray)
    leaving: bytearray = field(default_factory=bytearray)
    orders: deque[_Order] = field(default_factory=deque[_Order])


class Sequencer:
    """Serves inherited streams and, with a listener, whoever of the same user connects."""

    def __init__(self, ledger: Ledger, greeting: bytes, listener: socket.socket | None = None) -> None:
        """`greeting` is told to each client: what it needs to know of the record."""
        self._ledger = ledger
        self._greeting = ANSWER.pack(READY, len(greeting), PROTOCOL) + greeting
        self._listener = listener
        self._selector = DefaultSelector()
        self._clients: set[_Client] = set()
        self._numbers = count(1)
        self._last: dict[tuple[str, bytes], tuple[bytes, int]] = {}

    def serve(self, streams: Iterable[socket.socket], alarm: socket.socket) -> bool:
        """Serve until all have gone; False when the alarm went first. Raises Unwritable."""
        self._selector.register(alarm, EVENT_READ)
        if self._listener is not None:
            self._selector.register(self._listener, EVENT_READ)
        for stream in streams:
            self._welcome(stream, kept=True)
        while self._clients:
            readable: list[_Client] = []
            for key, events in self._selector.select():
                client: object = key.data
                if not isinstance(client, _Client):
                    if key.fileobj is alarm:
                        return False
                    self._accept()
                    continue
                if events & EVENT_WRITE:
                    self._send(client, b"")
                if events & EVENT_READ:
                    readable.append(client)
            self._round(readable)
        return True

    def tell_all(self, text: str) -> None:
        """Tell every client the last thing that it will hear."""
        told = text.encode()
        for client in self._clients:
            self._send(client, ANSWER.pack(FATAL, len(told), 0) + told)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            stream, _ = self._listener.accept()
        except OSError:
            return
        _, user, _ = _CREDENTIALS.unpack(stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if user != os.geteuid() or len(self._clients) >= CLIENTS_LIMIT:
            _say(f"a client of user {user} is not let in")
            stream.close()
            return
        self._welcome(stream, kept=False)

    def _welcome(self, stream: socket.socket, *, kept: bool) -> None:
        stream.setblocking(False)  # noqa: FBT003 - positional in the standard library
        client = _Client(stream, next(self._numbers), kept)
        self._clients.add(client)
        self._selector.register(stream, EVENT_READ, client)
        self._send(client, self._greeting)

    def _round(self, readable: Sequence[_Client]) -> None:
        """Take in what has arrived, commit it log by log, answer, and let go whoever has gone."""
        gone: set[_Client] = set()
        by_tenant: dict[str, list[_Order]] = {}
        for client in readable:
            try:
                if not _receive(client):
                    gone.add(client)
                for order in _orders(client):
                    client.orders.append(order)
                    by_tenant.setdefault(order.tenant, []).append(order)
            except ValueError as error:
                _say(f"client {client.number} is dropped: {error}")
                gone.add(client)
        for tenant, orders in by_tenant.items():
            self._commit(tenant, [order for order in orders if order.kind == LEAVES])
            for order in orders:
                if order.kind == ONCE:
                    self._commit_once(order)
            for client in {order.client for order in orders}:
                self._answer(client)
        for client in gone:
            self._drop(client)

    def _commit(self, tenant: str, orders: Sequence[_Order]) -> None:
        if not orders:
            return
        leaves: list[bytes] = []
        owners: list[int] = []
        for order in orders:
            leaves += order.leaves
            owners += [order.client.number] * len(order.leaves)
        try:
            runs = deque(self._ledger.append(tenant, leaves, owners))
        except Refused as error:
            text = error.message.encode()
            for order in orders:
                order.answer = _refusal(text, len(order.leaves))
            return
        for order in orders:
            order.answer = b"".join(_share(runs, len(order.leaves)))

    def _commit_once(self, order: _Order) -> None:
        topic, value, leaf = order.leaves
        known = self._last.get((order.tenant, topic))
        if known is not None and known[0] == value:
            order.answer = ANSWER.pack(ACKNOWLEDGED, known[1], 1)
            return
        order.leaves = [leaf]
        self._commit(order.tenant, [order])
        kind, index, _ = ANSWER.unpack_from(order.answer)
        if kind == ACKNOWLEDGED:
            self._last[order.tenant, topic] = (value, index)

    def _answer(self, client: _Client) -> None:
        """Send the answers up to the first that is still to come: a client counts on their order."""
        answers: list[bytes] = []
        while client.orders and client.orders[0].answer:
            answers.append(client.orders.popleft().answer)
        if answers:
            self._send(client, b"".join(answers))

    def _send(self, client: _Client, answer: bytes) -> None:
        """Send without waiting; what the client does not take yet is kept for it."""
        waiting = client.leaving
        waiting += answer
        try:
            del waiting[: client.stream.send(waiting)]
        except BlockingIOError:
            pass
        except OSError:
            # The next read tells that it has gone.
            waiting.clear()
        if len(waiting) > ANSWERS_LIMIT:
            _say(f"client {client.number} is dropped: it does not read its answers")
            waiting.clear()
            with suppress(OSError):
                client.stream.shutdown(socket.SHUT_RDWR)
        if bool(waiting) != client.slow:
            client.slow = not client.slow
            self._selector.modify(client.stream, EVENT_READ | EVENT_WRITE if client.slow else EVENT_READ, client)

    def _drop(self, client: _Client) -> None:
        self._selector.unregister(client.stream)
        self._clients.discard(client)
        client.stream.close()
        # Without an owner nobody new is let in: what is left is drained, and then the process ends.
        if self._listener is not None and client.kept and not any(other.kept for other in self._clients):
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        self._ledger.orphan(client.number)


def _receive(client: _Client) -> bool:
    """Take in what has arrived; False at the end of the stream."""
    try:
        chunk = client.stream.recv(_CHUNK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    client.arrived += chunk
    return bool(chunk)


def _orders(client: _Client) -> Iterator[_Order]:
    """Yield the whole frames that have arrived; raises ValueError for what is no frame."""
    arrived = client.arrived
    at = 0
    try:
        while len(arrived) - at >= FRAME.size:
            length, name, kind = FRAME.unpack_from(arrived, at)
            start = at + FRAME.size + name
            if length > BUNDLE_LIMIT or kind not in {LEAVES, ONCE}:
                message = "it sent what is no frame"
                raise ValueError(message)
            if len(arrived) < start + length:
                break
            leaves, whole = unpack(bytes(arrived[start : start + length]))
            _check(kind, leaves, whole=whole)
            tenant = arrived[start - name : start].decode()
            at = start + length
            yield _Order(client, tenant, kind, leaves)
    finally:
        del arrived[:at]


def _check(kind: int, leaves: Sequence[bytes], *, whole: bool) -> None:
    sizes = [*map(len, leaves)]
    if not whole or not sizes or max(sizes) > SIZE_LIMIT or min(sizes) == 0 or (kind == ONCE and len(sizes) != 3):  # noqa: PLR2004 - topic, value, leaf
        message = "it sent what is no bundle of leaves"
        raise ValueError(message)


def _share(runs: deque[Run], wanted: int) -> Iterator[bytes]:
    """Take `wanted` leaves off the runs and yield their answers."""
    while wanted:
        first, size = runs.popleft()
        taken = min(size, wanted)
        yield ANSWER.pack(ACKNOWLEDGED, first, taken) if first is not None else _refusal(_LATE, taken)
        if taken < size:
            runs.appendleft(Run(None if first is None else first + taken, size - taken))
        wanted -= taken


def _refusal(text: bytes, leaves: int) -> bytes:
    return ANSWER.pack(REFUSED, len(text), leaves) + text


def _say(text: str) -> None:
    sys.stderr.write(f"audit writer: {text}\n")
