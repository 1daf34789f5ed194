"""The writer process: the only one that holds the signing key and the logs. `python -m tallystick.audit.writer`.

It reads frames from inherited sockets, commits whatever has arrived as one batch per log, and acknowledges; what
arrives meanwhile is the next batch. There is no timer on that path. A thread publishes tiles and checkpoints behind it.
It ends when every socket has closed (after draining them) or with the first failed write (exit status 1).

Frame to the writer: u32 length of the bundle, u8 length of the tenant, tenant, bundle of leaves.
Frame from the writer: u8 kind, u64 number, u32 count, and for kinds with text `number` bytes of UTF-8.
"""

import argparse
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from struct import Struct
from time import CLOCK_REALTIME, clock_gettime

from tallystick.audit.leaf import glance, opening
from tallystick.audit.log import Log, open_log
from tallystick.audit.model import Unwritable
from tallystick.audit.store import State
from tallystick.audit.tlog.tiles import unpack
from tallystick.terms import Clock, TallyError, TenantId

FRAME = Struct(">IB")
ANSWER = Struct(">BQI")
ACKNOWLEDGED, REFUSED, READY, FATAL = range(4)
PUBLISH_SECONDS = 0.2
BUNDLE_LIMIT = 64 << 20
_BACKLOG_LIMIT = 100_000
_CHUNK = 1 << 20
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # it becomes a directory


class Logs:
    """Every open log of one state directory, by tenant; turns to a new log with the year."""

    def __init__(self, state: State, host: str, clock: Clock, *, initialize: bool) -> None:
        self._state = state
        self._host = host
        self._clock = clock
        self._initialize = initialize
        self._current: dict[str, tuple[int, Log]] = {}
        self._last_year: dict[str, Log] = {}
        # Guards the database connection and publishing; appends need no lock.
        self._lock = threading.Lock()
        newest: dict[str, int] = {}
        for tenant, year in state.logs():
            newest[tenant] = max(year, newest.get(tenant, year))
        for tenant, year in state.logs():
            row = state.store(tenant, year).row()
            if year == newest[tenant]:
                self._current[tenant] = (year, self._open(tenant, year))
            elif row is not None and row.opened:
                self._open(tenant, year)

    def append(self, tenant: str, leaves: Sequence[bytes]) -> Iterator[tuple[int, int]]:
        """Make leaves durable; yield (index of the first, count) for each run of them. Raises Unwritable."""
        log = self._log(tenant)
        old = self._last_year.get(tenant)
        if old is None:
            yield log.append(leaves), len(leaves)
            return
        for target, run in groupby(leaves, key=lambda leaf: old if _ends(old, leaf) else log):
            batch = list(run)
            yield target.append(batch), len(batch)

    def publish(self) -> None:
        """Bring the files of all logs up to date."""
        with self._lock:
            for log in (*[log for _, log in list(self._current.values())], *list(self._last_year.values())):
                log.publish(self._clock)
                if log.clock_went_back:
                    _say(f"{log.origin}: the clock went back; the checkpoint keeps the last time")

    def backlog(self, tenant: str) -> int:
        """Number of leaves of a tenant's log that are durable but not published yet."""
        log = self._current[tenant][1]
        return log.size - log.published

    def _log(self, tenant: str) -> Log:
        now = self._clock()
        year = datetime.fromtimestamp(now, UTC).year
        known = self._current.get(tenant)
        if known is not None and known[0] >= year:
            return known[1]
        if known is None and not self._initialize:
            message = f"tenant {tenant!r} has no log, and this writer was not started to create one"
            raise _Unknown(message)
        return self._turn(tenant, year, known[1] if known else None, now)

    def _turn(self, tenant: str, year: int, old: Log | None, now: float) -> Log:
        if not _TENANT.fullmatch(tenant):
            message = f"{tenant!r} is no name of a tenant"
            raise _Unknown(message)
        with self._lock:
            if old is not None:
                old.publish(self._clock)
            origin = f"{self._host}/{tenant}/{year}"
            try:
                self._state.create(tenant, year, origin, int(now * 1_000_000))
            except OSError as error:
                message = f"{origin}: cannot be created: {error}"
                raise Unwritable(message) from error
            log = self._open(tenant, year)
            self._current[tenant] = (year, log)
            # Calls of the last minute of a year end in the next: their outcomes still belong beside their intents.
            self._last_year.pop(tenant, None)
            if old is not None and old.opened:
                self._last_year[tenant] = old
        return log

    def _open(self, tenant: str, year: int) -> Log:
        logs = self._state.logs()
        log = open_log(
            self._state.store(tenant, year), self._state.key, logs[tenant, year], TenantId(tenant), self._clock
        )
        earlier = [past for name, past in logs if name == tenant and past < year]
        if log.size == 0 and earlier:
            origin = logs[tenant, max(earlier)]
            row = self._state.store(tenant, max(earlier)).row()
            size, root = row.body.split("\n")[1:3] if row is not None else ("0", "")
            log.append([opening(TenantId(tenant), (origin, int(size), root), self._clock())])
        return log


class _Unknown(Unwritable):
    """A leaf for a tenant without a log: refused, and no reason to stop for the others."""


def _ends(log: Log, leaf: bytes) -> bool:
    kind, intent, call_id = glance(leaf)
    return kind == "outcome" and intent is not None and log.opened.get(intent) == call_id.decode()


class Publisher(threading.Thread):
    """Publishes behind the commits, at most every 200 ms; tells the main loop through `broken` when it cannot."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(daemon=True)
        self._logs = logs
        self._fresh = threading.Event()
        self._closing = threading.Event()
        self.broken, self._alarm = socket.socketpair()
        self.failure: Unwritable | None = None

    def wake(self) -> None:
        """Tell that there are new leaves."""
        self._fresh.set()

    def run(self) -> None:
        """Publish until closed."""
        # INVARIANT: a publisher that ended by any error never publishes again; only a clean end takes this mark away.
        self.failure = Unwritable("the publisher ended by an unforeseen error; restart Tallystick to recover")
        try:
            while not self._closing.is_set():
                self._fresh.wait()
                self._fresh.clear()
                self._logs.publish()
                self._closing.wait(PUBLISH_SECONDS)
            self.failure = None
        except Unwritable as error:
            self.failure = error
        finally:
            self._alarm.close()

    def close(self) -> None:
        """Publish the rest; raises Unwritable."""
        self._closing.set()
        self._fresh.set()
        self.join()
        if self.failure is not None:
            raise self.failure
        self._logs.publish()


def serve(logs: Logs, clients: Sequence[socket.socket]) -> None:
    """Answer the clients until all have closed; raises Unwritable."""
    publisher = Publisher(logs)
    publisher.start()
    selector = DefaultSelector()
    selector.register(publisher.broken, EVENT_READ)
    pending = {client: bytearray() for client in clients}
    for client in clients:
        selector.register(client, EVENT_READ)
        client.sendall(ANSWER.pack(READY, 0, 0))
    while pending:
        ready = [key.fileobj for key, _ in selector.select()]
        if publisher.broken in ready:
            break
        for client in [client for client in pending if client in ready]:
            if not _receive(client, pending[client]):
                selector.unregister(client)
                del pending[client]
                continue
            _commit(logs, client, pending[client])
        publisher.wake()
    publisher.close()


def _receive(client: socket.socket, buffer: bytearray) -> bool:
    try:
        chunk = client.recv(_CHUNK)
    except ConnectionError:
        return False
    buffer += chunk
    return bool(chunk)


def _commit(logs: Logs, client: socket.socket, buffer: bytearray) -> None:
    """Commit every whole frame of the buffer, one batch per tenant run, and acknowledge."""
    for tenant, leaves in _batches(buffer):
        try:
            answer = b"".join([ANSWER.pack(ACKNOWLEDGED, first, count) for first, count in logs.append(tenant, leaves)])
            if logs.backlog(tenant) > _BACKLOG_LIMIT:
                logs.publish()
        except _Unknown as error:
            text = error.message.encode()
            answer = ANSWER.pack(REFUSED, len(text), len(leaves)) + text
        try:
            client.sendall(answer)
        except ConnectionError:
            return


def _batches(buffer: bytearray) -> Iterator[tuple[str, list[bytes]]]:
    frames: list[tuple[str, list[bytes]]] = []
    at = 0
    while len(buffer) - at >= FRAME.size:
        length, name = FRAME.unpack_from(buffer, at)
        start = at + FRAME.size + name
        if length > BUNDLE_LIMIT:
            message = "a client sent a frame that is too long"
            raise Unwritable(message)
        if len(buffer) < start + length:
            break
        leaves, whole = unpack(bytes(buffer[start : start + length]))
        if not whole or not leaves:
            message = "a client sent a frame that is not a bundle of leaves"
            raise Unwritable(message)
        frames.append((buffer[start - name : start].decode(), leaves))
        at = start + length
    del buffer[:at]
    for tenant, run in groupby(frames, key=lambda item: item[0]):
        yield tenant, [leaf for _, leaves in run for leaf in leaves]


def _say(text: str) -> None:
    sys.stderr.write(f"audit writer: {text}\n")


def _realtime() -> float:
    return clock_gettime(CLOCK_REALTIME)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; returns its exit status."""
    parser = argparse.ArgumentParser(prog="tallystick.audit.writer")
    parser.add_argument("--fd", type=int, action="append", required=True, help="inherited stream socket of a client")
    parser.add_argument("--state", type=Path, required=True, help="state directory")
    parser.add_argument("--host", required=True, help="host part of the origins of new logs")
    parser.add_argument("--initialize", action="store_true", help="create what does not exist yet")
    options = parser.parse_args(arguments)
    # A signal to the whole process group must not stop the record before the gateway has written its last outcomes: the
    # end of the sockets does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The publisher hashes; the committing thread must get the interpreter back soon after each sync.
    sys.setswitchinterval(0.0005)
    clients = [socket.socket(fileno=descriptor) for descriptor in options.fd]
    try:
        state = State(options.state, initialize=options.initialize)
        logs = Logs(state, options.host, _realtime, initialize=options.initialize)
        serve(logs, clients)
    except TallyError as error:
        _say(error.message)
        text = error.message.encode()
        for client in clients:
            _tell(client, ANSWER.pack(FATAL, len(text), 0) + text)
        return 1
    state.close()
    return 0


def _tell(client: socket.socket, answer: bytes) -> None:
    try:
        client.sendall(answer)
    except OSError:
        _say("a client had gone")


if __name__ == "__main__":
    sys.exit(main())
