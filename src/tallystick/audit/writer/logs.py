"""Every open log of one state directory: which log a leaf belongs to, and the turn of the year."""

import re
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby

from tallystick.audit.leaf.call import glance, in_doubt, opening
from tallystick.audit.log.files import State
from tallystick.audit.log.log import Log, open_log
from tallystick.audit.model import Unwritable
from tallystick.audit.writer.sequence import Refused, Run
from tallystick.terms import Clock, TenantId

_BACKLOG_LIMIT = 100_000
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
        self.fresh = threading.Event()
        newest: dict[str, int] = {}
        for tenant, year in state.logs():
            newest[tenant] = max(year, newest.get(tenant, year))
        for tenant, year in state.logs():
            row = state.store(tenant, year).row()
            if year == newest[tenant]:
                self._current[tenant] = (year, self._open(tenant, year))
            elif row is not None and row.opened:
                self._open(tenant, year)

    def append(self, tenant: str, leaves: Sequence[bytes], owners: Sequence[int] = ()) -> list[Run]:
        """Make leaves durable; `owners` tells for each which client sent it. Raises Unwritable."""
        log = self._log(tenant)
        old = self._last_year.get(tenant)
        if old is None and not log.late:
            runs = [Run(log.append(leaves, owners), len(leaves))]
        else:
            runs = [*_sort(log, old, leaves, owners)]
        if log.size - log.published > _BACKLOG_LIMIT:
            self.publish()
        # The publisher may be waiting for leaves.
        self.fresh.set()
        return runs

    def orphan(self, owner: int) -> None:
        """Close what a client that has gone left open: nobody knows how those calls ended. Raises Unwritable."""
        with self._lock:
            self._publish()
            for log, tenant in self._open_logs():
                left = log.opened_by(owner)
                if left:
                    now = self._clock()
                    log.append([in_doubt(call_id, TenantId(tenant), index, now) for index, call_id in left.items()])
                    log.late.update(left.values())
                    self.fresh.set()

    def publish(self) -> None:
        """Bring the files of all logs up to date."""
        with self._lock:
            self._publish()

    def _publish(self) -> None:
        for log, _ in self._open_logs():
            log.publish(self._clock)
            if log.clock_went_back:
                _say(f"{log.origin}: the clock went back; the checkpoint keeps the last time")

    def _open_logs(self) -> list[tuple[Log, str]]:
        current = [(log, tenant) for tenant, (_, log) in list(self._current.items())]
        return current + [(log, tenant) for tenant, log in list(self._last_year.items())]

    def _log(self, tenant: str) -> Log:
        now = self._clock()
        year = datetime.fromtimestamp(now, UTC).year
        known = self._current.get(tenant)
        if known is not None and known[0] >= year:
            return known[1]
        if known is None and not self._initialize:
            message = f"tenant {tenant!r} has no log, and this writer was not started to create one"
            raise Refused(message)
        return self._turn(tenant, year, known[1] if known else None, now)

    def _turn(self, tenant: str, year: int, old: Log | None, now: float) -> Log:
        if not _TENANT.fullmatch(tenant):
            message = f"{tenant!r} is no name of a tenant"
            raise Refused(message)
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


def _sort(log: Log, old: Log | None, leaves: Sequence[bytes], owners: Sequence[int]) -> Iterator[Run]:
    """Append each leaf where it belongs: outcomes beside their intents, and those of calls in doubt nowhere."""
    late = log.late if old is None else log.late | old.late
    at = 0
    for target, run in groupby(leaves, key=lambda leaf: _target(log, old, late, leaf)):
        batch = list(run)
        whose = owners[at : at + len(batch)]
        at += len(batch)
        yield Run(None if target is None else target.append(batch, whose), len(batch))


def _target(log: Log, old: Log | None, late: set[str], leaf: bytes) -> Log | None:
    # Only an outcome that follows an intent starts so: it has no commitment to arguments and names no caller.
    if late and leaf.startswith(b'{"elapsed_us"') and glance(leaf)[2].decode() in late:
        return None
    return old if old is not None and _ends(old, leaf) else log


def _ends(log: Log, leaf: bytes) -> bool:
    kind, intent, call_id = glance(leaf)
    return kind == "outcome" and intent is not None and log.opened.get(intent) == call_id.decode()


def _say(text: str) -> None:
    sys.stderr.write(f"audit writer: {text}\n")
