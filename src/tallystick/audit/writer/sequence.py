"""The loop of the writer process: many clients' leaves become one order, one batch and one sync per log and round.

Whatever has arrived from all clients is one round; what arrives meanwhile is the next. There is no timer. A client is
answered in the order of its own frames, after its leaves are durable, and never waited for. One that sends what is no
frame, does not read its answers or goes away is dropped, and the intents that it left open are closed as in doubt.

Orders go to the clerk, whose answers come back out of band; how far the logs have come is told to everybody.
"""

import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from struct import Struct
from typing import Final, NamedTuple, Protocol

from tallystick.audit.leaf.event import kind_of
from tallystick.audit.model import Capture, Unwritable
from tallystick.audit.writer.frames import (
    ACKNOWLEDGED,
    FATAL,
    HURRY,
    ONCE,
    ORDER,
    PROTOCOL,
    READY,
    REFUSED,
    TEXT_LIMIT,
    Frame,
    Progress,
    acknowledged,
    answer,
    frames,
    progress,
)

ANSWERS_LIMIT: Final = TEXT_LIMIT + (4 << 20)
"""Bytes of answers kept for a client that does not read them: more than what its pending leaves and an order cause."""
CLIENTS_LIMIT: Final = 256
_CHUNK: Final = 1 << 20
_CREDENTIALS: Final = Struct("3i")
_OURS: Final = frozenset({b"erasure", b"heartbeat", b"hold", b"in_doubt", b"key", b"open"})
"""Kinds that only the writer writes: a gateway that was broken into must not explain away what it has done."""
_LATE: Final = b"the call was closed as in doubt when its worker or the writer had gone; its end comes too late"


class Refused(Unwritable):
    """Leaves that are refused before any of them was written, and no reason to stop for the others."""


class Run(NamedTuple):
    """Leaves in a row: the index of the first, or None where they come too late; how many; the year of their log."""

    first: int | None
    leaves: int
    year: int = 0


class Ledger(Protocol):
    """What commits: the logs of all tenants."""

    def append(
        self, tenant: str, leaves: Sequence[bytes], owners: Sequence[int], captures: Mapping[int, Capture]
    ) -> list[Run]:
        """Make leaves and their captures durable; raises Refused for all of them, or Unwritable, and then for ever."""
        ...

    def orphan(self, owner: int) -> None:
        """Close the open intents of a client that has gone."""
        ...

    def progress(self) -> list[Progress]:
        """Tell how far each log has come."""
        ...

    def hurry(self) -> None:
        """Publish without a pause: somebody waits for it."""
        ...


class Asked(NamedTuple):
    """An order: which client gave it, its number there, and its JSON."""

    client: int
    number: int
    text: bytes


@dataclass(slots=True)
class _Order:
    """One frame of a client with leaves, and the answer that it will get."""

    client: "_Client"
    frame: Frame
    answer: bytes = b""


@dataclass(slots=True, eq=False)
class _Client:
    """A connection. `number` owns its intents; `kept` ones were inherited, and while one lives new ones are let in.

    `inner` ones are threads of this process: they are told nothing but answers, and hold up no end.
    """

    stream: socket.socket
    number: int
    kept: bool = False
    inner: bool = False
    writes: bool = False
    slow: bool = False
    arrived: bytearray = field(default_factory=bytearray)
    leaving: bytearray = field(default_factory=bytearray)
    orders: deque[_Order] = field(default_factory=deque[_Order])


class Sequencer:
    """Serves inherited streams and, with a listener, whoever of the same user connects."""

    def __init__(self, ledger: Ledger, greeting: bytes, listener: socket.socket | None = None) -> None:
        """`greeting` is told to each client: what it needs to know of the record."""
        self._ledger = ledger
        self._greeting = answer(READY, greeting, PROTOCOL)
        self._listener = listener
        self._selector = DefaultSelector()
        self._clients: dict[int, _Client] = {}
        self._numbers = count(1)
        self._last: dict[tuple[str, bytes], tuple[bytes, bytes]] = {}
        self._posts: deque[tuple[int | None, bytes]] = deque()
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)  # noqa: FBT003 - positional in the standard library
        self._ring.setblocking(False)  # noqa: FBT003 - positional in the standard library
        self._idle = False
        self.on_order: Callable[[Asked], None] | None = None
        self.on_idle: Callable[[], None] | None = None

    # `on_order` takes the orders of clients; `on_idle` is called once when only inner clients are left, so that they
    # end. Both are called in the loop and must not wait.

    def serve(
        self, streams: Iterable[socket.socket], alarm: socket.socket, inner: Iterable[socket.socket] = ()
    ) -> bool:
        """Serve until all have gone; False when the alarm went first. Raises Unwritable."""
        for each in (alarm, self._bell, self._listener):
            if each is not None:
                self._selector.register(each, EVENT_READ)
        for stream in streams:
            self._welcome(stream, kept=True)
        for stream in inner:
            self._welcome(stream, inner=True)
        try:
            while self._clients:
                if not self._idle and all(client.inner for client in self._clients.values()):
                    self._idle = True
                    if self.on_idle is not None:
                        self.on_idle()
                if not self._turn(alarm):
                    return False
            return True
        finally:
            self._bell.close()
            self._ring.close()

    def post(self, client: int | None, told: bytes) -> None:
        """Have a client told something, or everybody. For other threads."""
        self._posts.append((client, told))
        # A full pipe is a bell that rings already, and a closed one rings for nobody.
        with suppress(OSError):
            self._ring.send(b"\0")

    def tell_all(self, text: str) -> None:
        """Tell every client the last thing that it will hear."""
        for client in self._clients.values():
            self._send(client, answer(FATAL, text.encode(), 0))

    def _turn(self, alarm: socket.socket) -> bool:
        readable: list[_Client] = []
        for key, events in self._selector.select():
            client: object = key.data
            if not isinstance(client, _Client):
                if key.fileobj is alarm:
                    return False
                self._accept() if key.fileobj is self._listener else self._deliver()
                continue
            if events & EVENT_WRITE:
                self._send(client, b"")
            if events & EVENT_READ:
                readable.append(client)
        if readable:
            self._round(readable)
        return True

    def _deliver(self) -> None:
        """Pass on what other threads have posted."""
        with suppress(BlockingIOError):
            self._bell.recv(_CHUNK)
        while self._posts:
            number, told = self._posts.popleft()
            known = self._clients.get(number) if number is not None else None
            outer = [client for client in self._clients.values() if not client.inner] if number is None else []
            for client in outer if known is None else [known]:
                self._send(client, told)

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
        self._welcome(stream)

    def _welcome(self, stream: socket.socket, *, kept: bool = False, inner: bool = False) -> None:
        stream.setblocking(False)  # noqa: FBT003 - positional in the standard library
        client = _Client(stream, next(self._numbers), kept, inner)
        self._clients[client.number] = client
        self._selector.register(stream, EVENT_READ, client)
        self._send(client, self._greeting if inner else self._greeting + progress(self._ledger.progress()))

    def _round(self, readable: Sequence[_Client]) -> None:
        """Take in what has arrived, commit it log by log, answer, and let go whoever has gone."""
        gone: list[_Client] = []
        by_tenant: dict[str, list[_Order]] = {}
        for client in readable:
            try:
                if not _receive(client):
                    gone.append(client)
                for frame in frames(client.arrived):
                    self._take(client, frame, by_tenant)
            except ValueError as error:
                _say(f"client {client.number} is dropped: {error}")
                gone.append(client)
        for tenant, orders in by_tenant.items():
            self._commit(tenant, [order for order in orders if order.frame.kind != ONCE])
            for order in orders:
                if order.frame.kind == ONCE:
                    self._commit_once(order)
            for client in {order.client for order in orders}:
                self._answer(client)
        for client in gone:
            self._drop(client)

    def _take(self, client: _Client, frame: Frame, by_tenant: dict[str, list[_Order]]) -> None:
        """Take in one frame: leaves are committed at the end of the round, the rest is passed on at once."""
        if frame.leaves:
            if not client.inner and not _OURS.isdisjoint(map(kind_of, frame.leaves)):
                message = "it sent a leaf that only the writer writes"
                raise ValueError(message)
            client.writes = True
            order = _Order(client, frame)
            client.orders.append(order)
            by_tenant.setdefault(frame.tenant, []).append(order)
        elif frame.kind == HURRY:
            self._ledger.hurry()
        elif frame.kind == ORDER and self.on_order is not None:
            self.on_order(Asked(client.number, frame.number, frame.text))

    def _commit(self, tenant: str, orders: Sequence[_Order]) -> None:
        if not orders:
            return
        leaves: list[bytes] = []
        owners: list[int] = []
        captures: dict[int, Capture] = {}
        for order in orders:
            for place, capture in order.frame.captures.items():
                captures[len(leaves) + place] = capture
            leaves += order.frame.leaves
            owners += [order.client.number] * len(order.frame.leaves)
        try:
            runs = deque(self._ledger.append(tenant, leaves, owners, captures))
        except Refused as error:
            if len(orders) > 1:
                # One of them may be to blame, and the others are not refused for it.
                for order in orders:
                    self._commit(tenant, [order])
            else:
                orders[0].answer = answer(REFUSED, error.message.encode(), len(leaves))
            return
        for order in orders:
            order.answer = b"".join(_share(runs, len(order.frame.leaves)))

    def _commit_once(self, order: _Order) -> None:
        topic, value, leaf = order.frame.leaves
        tenant = order.frame.tenant
        known = self._last.get((tenant, topic))
        if known is not None and known[0] == value:
            order.answer = known[1]
            return
        order.frame = order.frame._replace(leaves=[leaf])
        self._commit(tenant, [order])
        if order.answer[0] == ACKNOWLEDGED:
            self._last[tenant, topic] = (value, order.answer)

    def _answer(self, client: _Client) -> None:
        """Send the answers up to the first that is still to come: a client counts on their order."""
        told: list[bytes] = []
        while client.orders and client.orders[0].answer:
            told.append(client.orders.popleft().answer)
        if told:
            self._send(client, b"".join(told))

    def _send(self, client: _Client, told: bytes) -> None:
        """Send without waiting; what the client does not take yet is kept for it."""
        waiting = client.leaving
        waiting += told
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
        if self._clients.pop(client.number, None) is None:
            return
        self._selector.unregister(client.stream)
        client.stream.close()
        # Without an owner nobody new is let in: what is left is drained, and then the process ends.
        if self._listener is not None and client.kept and not any(other.kept for other in self._clients.values()):
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        # A command that gave an order has no intents, and closing those would hold up everybody's leaves.
        if client.writes:
            self._ledger.orphan(client.number)
        if client.inner and not self._idle:
            # Without heartbeats the record claims no silence, and without a clerk nothing is erased or held.
            message = "a thread of the audit writer has ended by an unforeseen error; restart Tallystick to recover"
            raise Unwritable(message)


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


def _share(runs: deque[Run], wanted: int) -> Iterator[bytes]:
    """Take `wanted` leaves off the runs and yield their answers."""
    while wanted:
        first, size, year = runs.popleft()
        taken = min(size, wanted)
        yield acknowledged(year, first, taken) if first is not None else answer(REFUSED, _LATE, taken)
        if taken < size:
            runs.appendleft(Run(None if first is None else first + taken, size - taken, year))
        wanted -= taken


def _say(text: str) -> None:
    sys.stderr.write(f"audit writer: {text}\n")
