"""Every open log of one state directory: which log a leaf belongs to, and the turn of the year."""

import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final, Protocol

from tallystick.audit.desk import Standing
from tallystick.audit.leaf.call import glance, in_doubt, opening
from tallystick.audit.log import Log, Row, Store, keep_nothing, open_log
from tallystick.audit.model import Capture, Sealed, Unwritable
from tallystick.audit.signing import Signers
from tallystick.audit.tlog.merkle import EMPTY_ROOT
from tallystick.audit.tlog.note import Checkpoint, NoteError
from tallystick.audit.writer.frames import Progress
from tallystick.audit.writer.sequence import Refused, Run
from tallystick.terms import Clock, TallyError, TenantId

_BACKLOG_LIMIT: Final = 100_000
_BACKLOG_BYTES: Final = 64 << 20
"""Leaves, and bytes with their payloads, that may wait to be published: past that, whoever appends publishes first."""
_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # it becomes a directory
_NO_CAPTURES: Final[Mapping[int, Capture]] = {}


class Shelf(Protocol):
    """Where the logs of one record are kept: a state directory, or a store that several machines reach."""

    @property
    def signing(self) -> Signers:
        """The keys that sign checkpoints."""
        ...

    def logs(self) -> dict[tuple[str, int], str]:
        """Origin of every log by tenant and year."""
        ...

    def store(self, tenant: str, year: int) -> Store:
        """Store of a log that exists."""
        ...

    def create(self, tenant: str, year: int, origin: str, time_us: int) -> None:
        """Create an empty log; raises Unwritable, or OSError."""
        ...

    def close(self) -> None:
        """Let the next process in."""
        ...


class Safe(Protocol):
    """Seals and keeps the payloads of one tenant."""

    def prepare(self, captures: Iterable[Capture], at: float) -> None:
        """Make the keys that a round of captures needs, at once; raises Unwritable."""
        ...

    def seal(self, leaf: bytes, capture: Capture, at: float) -> list[Sealed]:
        """Encrypt what is captured with a leaf; raises Unwritable, or another TallyError for what cannot be sealed."""
        ...

    def discard(self, sealed: Iterable[Sealed]) -> None:
        """Learn that sealed payloads will never be kept, because their leaves were refused."""
        ...

    def keep(self, sealed: Sequence[Sealed]) -> None:
        """Make sealed payloads durable; may repeat. Raises OSError."""
        ...


Safes = Callable[[TenantId], Safe]


class Logs:
    """Every open log of one record, by tenant; turns to a new log with the year."""

    def __init__(self, shelf: Shelf, host: str, clock: Clock, *, initialize: bool, safes: Safes | None = None) -> None:
        self._shelf = shelf
        self._host = host
        self._clock = clock
        self._initialize = initialize
        self._safes = safes
        self._current: dict[str, tuple[int, Log]] = {}
        self._last_year: dict[str, Log] = {}
        # Guards the database connection and publishing; appends need no lock.
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._told: dict[tuple[str, int], Progress] = {}
        self.fresh = threading.Event()
        self.hurried = threading.Event()
        newest: dict[str, int] = {}
        for tenant, year in shelf.logs():
            newest[tenant] = max(year, newest.get(tenant, year))
        for tenant, year in shelf.logs():
            row = self._row(tenant, year)
            if year == newest[tenant]:
                self._check_keys(shelf.logs()[tenant, year], row)
                self._current[tenant] = (year, self._open(tenant, year))
            elif row is not None and row.opened:
                self._open(tenant, year)

    def append(
        self,
        tenant: str,
        leaves: Sequence[bytes],
        owners: Sequence[int] = (),
        captures: Mapping[int, Capture] = _NO_CAPTURES,
    ) -> list[Run]:
        """Make leaves and their captures durable; `owners` tells for each which client sent it. Raises Unwritable."""
        log = self._log(tenant)
        old = self._last_year.get(tenant)
        plain = (old is None or not (old.opened or old.late)) and not log.late
        if captures and not plain:
            # What comes too late is not sealed: nobody would ever keep it.
            late = _late(log, old)
            captures = {place: one for place, one in captures.items() if not _is_late(leaves[place], late)}
        sealed = self._seal(tenant, leaves, captures, log.time) if captures else {}
        if plain:
            records = [record for records in sealed.values() for record in records]
            runs = [Run(log.append(leaves, owners, records), len(leaves), log.year)]
        else:
            runs = [*_sort(log, old, leaves, owners, sealed)]
        if log.size - log.published > _BACKLOG_LIMIT or log.backlog > _BACKLOG_BYTES:
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
        # For what was left open, and for the news of what was published here.
        self.fresh.set()

    def publish(self) -> None:
        """Bring the files of all logs up to date."""
        with self._lock:
            self._publish()

    def hurry(self) -> None:
        """Have the publisher go on without a pause."""
        self.hurried.set()

    def progress(self) -> list[Progress]:
        """Tell how far each log has come."""
        return [_progress(log, tenant) for log, tenant in self._open_logs()]

    def news(self) -> list[Progress]:
        """Tell how far those logs have come that have moved since this was asked last, whoever moved them."""
        with self._telling:
            now = {(found.tenant, found.year): found for found in self.progress()}
            moved = [found for place, found in now.items() if self._told.get(place) != found]
            self._told = now
            return moved

    def open_logs(self) -> list[Log]:
        """Return the logs that take leaves."""
        return [log for log, _ in self._open_logs()]

    def cosign(self, log: Log, body: str, lines: Sequence[str]) -> None:
        """Show a checkpoint with the cosignatures of a quorum; raises Unwritable."""
        with self._lock:
            log.cosign(body, lines)

    def tenants(self) -> list[TenantId]:
        """Return who has a log."""
        return [TenantId(tenant) for tenant in sorted(self._current)]

    def standing(self, tenant: TenantId, year: int | None = None) -> Standing:
        """Return how a log of a tenant stands, the newest or that of a year; raises TallyError where it is not open."""
        found = [log for log, name in self._open_logs() if name == tenant and year in {None, log.year}]
        if not found:
            message = f"tenant {tenant!r} has no open log" + ("" if year is None else f" of {year}")
            raise TallyError(code="not_found", message=message)
        log = found[0]
        # The lesser first: what the publisher adds meanwhile never makes it look larger than what it is a part of.
        cosigned, published, opened = log.cosigned, log.published, len(log.opened)
        return Standing(log.year, log.origin, log.size, published, cosigned, opened, log.read)

    @property
    def signing(self) -> Signers:
        """The keys that sign checkpoints."""
        return self._shelf.signing

    def settle_keys(self) -> None:
        """Change the signing keys between two checkpoints, once their leaves are published. Raises Unwritable."""
        with self._lock:
            try:
                self._shelf.signing.settle()
            except (OSError, ValueError) as error:
                message = f"the signing keys cannot be changed: {error}; restart Tallystick to recover"
                raise Unwritable(message) from error
            for log, _ in self._open_logs():
                log.renew(self._clock)

    def _publish(self) -> None:
        for log, _ in self._open_logs():
            if log.publish(self._clock) and log.clock_went_back:
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
        if self._safes is not None:
            try:
                self._safes(TenantId(tenant))
            except TallyError as error:
                raise Refused(error.message) from error
        with self._lock:
            if old is not None:
                old.publish(self._clock)
            origin = f"{self._host}/{tenant}/{year}"
            try:
                self._shelf.create(tenant, year, origin, int(now * 1_000_000))
            except OSError as error:
                message = f"{origin}: cannot be created: {error}"
                raise Unwritable(message) from error
            log = self._open(tenant, year)
            self._current[tenant] = (year, log)
            # Calls of the last minute of a year end in the next: their outcomes still belong beside their intents. And
            # whoever waits for its last leaves to be published or cosigned is still told.
            if old is not None:
                self._last_year[tenant] = old
        return log

    def _open(self, tenant: str, year: int) -> Log:
        logs, shelf = self._shelf.logs(), self._shelf
        keep = keep_nothing if self._safes is None else self._safes(TenantId(tenant)).keep
        origin = logs[tenant, year]
        log = open_log(shelf.store(tenant, year), shelf.signing, origin, TenantId(tenant), self._clock, keep)
        earlier = [past for name, past in logs if name == tenant and past < year]
        if log.size == 0 and earlier:
            origin = logs[tenant, max(earlier)]
            row = self._row(tenant, max(earlier))
            last = Checkpoint(origin, 0, EMPTY_ROOT) if row is None else self._shelf.signing.open(row.body, origin)
            log.append([opening(TenantId(tenant), (origin, last.size, last.root.hex()), self._clock())])
        return log

    def _check_keys(self, origin: str, row: Row | None) -> None:
        # INVARIANT: a log that takes leaves is signed by a key that signs now, since a rotation ends under both pairs.
        # Whoever has kept or stolen a retired key must not have its checkpoints signed anew with the others.
        try:
            signed = row is None or self._shelf.signing.has_signed(row.body, origin)
        except NoteError:
            signed = False
        if not signed:
            message = f"{origin}: no key that signs now has signed the checkpoint in the database; restore the record"
            raise Unwritable(message)

    def _row(self, tenant: str, year: int) -> Row | None:
        try:
            return self._shelf.store(tenant, year).row()
        except OSError as error:
            message = f"the log of {tenant} for {year} cannot be opened: {error}"
            raise Unwritable(message) from error

    def _seal(
        self, tenant: str, leaves: Sequence[bytes], captures: Mapping[int, Capture], least: float
    ) -> dict[int, list[Sealed]]:
        """Encrypt what goes with the leaves; raises Refused for what cannot be, Unwritable for a broken key store."""
        if self._safes is None:
            message = "this writer keeps no payloads"
            raise Refused(message)
        sealed: dict[int, list[Sealed]] = {}
        try:
            # INVARIANT: a payload is never older than what was published before it: retention counts from then on, and
            # a clock that was set back by years must not have it expire tomorrow.
            safe, now = self._safes(TenantId(tenant)), max(self._clock(), least)
            safe.prepare(captures.values(), now)
            for place, capture in captures.items():
                try:
                    sealed[place] = safe.seal(leaves[place], capture, now)
                except TallyError:
                    safe.discard(record for records in sealed.values() for record in records)
                    raise
            return sealed
        except OSError as error:
            message = f"the payloads of {tenant} cannot be sealed: {error}; the writer has stopped"
            raise Unwritable(message) from error
        except TallyError as error:
            if isinstance(error, Unwritable):
                raise
            raise Refused(error.message) from error


def _progress(log: Log, tenant: str) -> Progress:
    return Progress(tenant, log.year, log.published, log.cosigned)


def _sort(
    log: Log, old: Log | None, leaves: Sequence[bytes], owners: Sequence[int], sealed: Mapping[int, Sequence[Sealed]]
) -> Iterator[Run]:
    """Append each leaf where it belongs: outcomes beside their intents, and those of calls in doubt nowhere."""
    late = _late(log, old)
    at = 0
    for target, run in groupby(leaves, key=lambda leaf: _target(log, old, late, leaf)):
        batch = list(run)
        whose = owners[at : at + len(batch)]
        records = [record for place in range(at, at + len(batch)) for record in sealed.get(place, ())]
        at += len(batch)
        first = None if target is None else target.append(batch, whose, records)
        yield Run(first, len(batch), 0 if target is None else target.year)


def _late(log: Log, old: Log | None) -> set[str]:
    return log.late if old is None else log.late | old.late


def _is_late(leaf: bytes, late: set[str]) -> bool:
    # Only an outcome that follows an intent starts so: it has no commitment to arguments and names no caller.
    return bool(late) and leaf.startswith(b'{"elapsed_us"') and glance(leaf)[2].decode() in late


def _target(log: Log, old: Log | None, late: set[str], leaf: bytes) -> Log | None:
    if _is_late(leaf, late):
        return None
    return old if old is not None and _ends(old, leaf) else log


def _ends(log: Log, leaf: bytes) -> bool:
    kind, intent, call_id = glance(leaf)
    return kind == "outcome" and intent is not None and log.opened.get(intent) == call_id.decode()


def _say(text: str) -> None:
    sys.stderr.write(f"audit writer: {text}\n")
