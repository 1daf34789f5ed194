"""One sink's way through the record: verified leaves in, events out, the cursor after them. Never ahead of the sink.

The log itself is the buffer: a follower holds one batch, however far behind its sink is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tallystick.audit import leaf as leaves
from tallystick.audit import offline
from tallystick.export.formats.leaf import Entry, Skipped
from tallystick.export.lease import Lease
from tallystick.export.ledger import Aside, Cursor, Ledger
from tallystick.export.model import STREAK, Event, Format, Limits, Place, Refused, Sink, Unavailable, is_list
from tallystick.export.settings import SinkEntry
from tallystick.export.source import Read, Source
from tallystick.terms import Clock

SCANNED: Final = 20_000
"""Records that one batch may pass over because nobody asked for their kind."""
_CLOSING: Final = frozenset({"outcome", "in_doubt"})


@dataclass(slots=True)
class _Batch:
    """Events of one log that are to be sent, what its format refused, and where the next batch begins."""

    following: int
    beat: int
    vkeys: tuple[str, ...]
    events: list[Event] = field(default_factory=list[Event])
    refused: list[Refused] = field(default_factory=list[Refused])
    total: int = 0

    def is_full(self, first: int, limits: Limits) -> bool:
        """Whether the batch that began at `first` takes no more."""
        many = len(self.events) >= limits.events or self.following - first >= SCANNED
        return many or self.total >= limits.total_bytes


@dataclass(frozen=True, slots=True)
class Record:
    """One verified leaf, and its fields."""

    index: int
    leaf: bytes
    fields: dict[str, object]


class Follower:
    """Brings the logs of a source to one sink. Belongs to one thread."""

    def __init__(self, entry: SinkEntry, sink: Sink, written: Format, source: Source, ledger: Ledger) -> None:
        self.entry = entry
        self.ledger = ledger
        self._sink = sink
        self._format = written
        self._source = source
        self._open: dict[Place, offline.Followed] = {}
        self._streak = 0

    @property
    def overlap(self) -> int:
        """Records that are sent again after a failure of the sink."""
        return self._sink.overlap

    def round(self, clock: Clock, lease: Lease | None = None) -> int:
        """Take at most one batch of each log; how many records that brought. Raises `Unavailable` and `Stopped`.

        A log that cannot be trusted is left where it is, and said so; the others go on.
        """
        began, moved, oldest = clock(), 0, clock()
        for place in self._source.places():
            if self.entry.tenants and place.tenant not in self.entry.tenants:
                continue
            try:
                count, reached = self._advance(place, clock)
                moved += count
            except (offline.UntrustedError, offline.UnreadableError) as error:
                self._open.pop(place, None)
                self.ledger.complain(place, error.message)
                reached = 0.0
            else:
                self.ledger.complain(place, None)
            oldest = min(oldest, began if reached is None else reached)
        moved += self._try_again(clock)
        if lease is not None:
            lease.renew(clock(), oldest + self.entry.max_lag_s)
        return moved

    def _advance(self, place: Place, clock: Clock) -> tuple[int, float | None]:
        """Deliver one batch; the number of records, and the time of the first that is left (None: none is)."""
        log, cursor = self._followed(place)
        checkpoint = log.refresh()
        if cursor.next >= checkpoint.size:
            return 0, None
        batch = self._gather(place, log, cursor)
        told = self._deliver(batch)
        # INVARIANT: the sink has confirmed, or refused for good, everything before `following`.
        new = Cursor(batch.following, checkpoint, batch.vkeys, batch.beat)
        self.ledger.advance(place, cursor, new, [*batch.refused, *told], clock())
        log.vkeys = batch.vkeys
        left = time_of(log.leaf(batch.following)) if batch.following < checkpoint.size else None
        log.rest()
        return batch.following - cursor.next, left

    def _deliver(self, batch: _Batch) -> list[Refused]:
        if not batch.events:
            return []
        told = list(self._sink.deliver(batch.events))
        if len(told) < len(batch.events):
            self._streak = 0
            return told
        # A sink that takes nothing at all is wrong itself: putting the whole record aside would only look like success.
        if self._streak + len(told) > STREAK:
            message = f"has refused {self._streak + len(told)} events in a row: {told[-1].reason}"
            raise Unavailable(message)
        self._streak += len(told)
        return told

    def _followed(self, place: Place) -> tuple[offline.Followed, Cursor]:
        cursor = self.ledger.cursor(place)
        if cursor is None:
            vkeys = self._first_keys(place)
            log = offline.Followed(self._source.read(place), vkeys)
            self.ledger.begin(place, log.refresh(), vkeys, _minimum(self._source.read(place)))
            self._open[place] = log
            cursor = self.ledger.cursor(place) or Cursor(0, log.checkpoint, vkeys)
        log = self._open.get(place)
        if log is None:
            log = offline.Followed(self._source.read(place), cursor.vkeys, cursor.checkpoint)
            self._open[place] = log
        return log, cursor

    def _first_keys(self, place: Place) -> tuple[str, ...]:
        """Trust the keys beside a log at first sight, but those of a new year only if the year before knew one."""
        stated = (self._source.read(place)("vkey") or b"").decode(errors="replace")
        vkeys = tuple(line.strip() for line in stated.split("\n") if line.strip())
        known = [cursor for cursor in map(self.ledger.cursor, self._earlier(place)) if cursor is not None]
        trusted = {_material(vkey) for cursor in known for vkey in cursor.vkeys}
        if trusted and not trusted & {_material(vkey) for vkey in vkeys}:
            message = f"the log of {place.tenant} for {place.year} names none of the keys of the years before"
            raise offline.UntrustedError(message)
        return tuple(vkey for vkey in vkeys if not trusted or _material(vkey) in trusted) or vkeys

    def _earlier(self, place: Place) -> Iterator[Place]:
        return (known for known in self.ledger.places() if known.tenant == place.tenant and known.year < place.year)

    def _gather(self, place: Place, log: offline.Followed, cursor: Cursor) -> _Batch:
        batch = _Batch(cursor.next, cursor.beat if cursor.beat < cursor.next else -1, log.vkeys)
        for index, leaf in log.leaves(cursor.next):
            fields = offline.read_fields(leaf)
            kind = str(fields.get("kind"))
            if not self.entry.kinds or kind in self.entry.kinds:
                self._add(batch, place, log, Record(index, leaf, fields))
            batch.following = index + 1
            if kind == "heartbeat":
                batch.beat = index
            elif kind == "key" and leaves.kind_of(leaf) == b"key":
                batch.vkeys = _learned(batch.vkeys, log.checkpoint.origin, fields)
            if batch.is_full(cursor.next, self._sink.limits):
                break
        return batch

    def _add(self, batch: _Batch, place: Place, log: offline.Followed, record: Record) -> None:
        index, kind = record.index, str(record.fields.get("kind"))
        told = self._told(log, record, batch.beat)
        if isinstance(told, Skipped):
            if told.poison:
                batch.refused.append(Refused(index, told.why))
        elif len(told) > self._sink.limits.event_bytes:
            most = self._sink.limits.event_bytes
            batch.refused.append(Refused(index, f"has {len(told)} bytes as an event, the sink takes {most}"))
        else:
            batch.total += len(told)
            batch.events.append(Event(place, index, kind, str(record.fields.get("ts", "")), told))

    def _told(self, log: offline.Followed, record: Record, beat: int) -> bytes | Skipped:
        about, index, fields = None, record.index, record.fields
        intent = fields.get("intent")
        if fields.get("kind") in _CLOSING and isinstance(intent, int) and 0 <= intent < index:
            about = log.leaf(intent)
        elif fields.get("kind") == "heartbeat" and 0 <= beat < index:
            about = log.leaf(beat)
        try:
            return self._format(Entry(log.checkpoint.origin, index, record.leaf, about))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            # A leaf that its format stumbles over is put aside like one that the sink refuses; the others go on.
            return Skipped(f"the format failed: {type(error).__name__}: {error}", poison=True)

    def _try_again(self, clock: Clock) -> int:
        """Send what was put aside once more, where somebody asked for that; each on its own, out of order."""
        count = 0
        for entry in self.ledger.aside(again=True):
            try:
                refused = self._send_once(entry)
            except (offline.UntrustedError, offline.UnreadableError) as error:
                refused = error.message
            self.ledger.settle(entry, refused, clock())
            count += 1
        return count

    def _send_once(self, entry: Aside) -> str | None:
        """Send one event that was put aside; why it was refused again, or None."""
        log, _ = self._followed(entry.place)
        log.refresh()
        leaf = log.leaf(entry.index)
        batch = _Batch(entry.index, -1, log.vkeys)
        self._add(batch, entry.place, log, Record(entry.index, leaf, offline.read_fields(leaf)))
        told = [*batch.refused, *(self._sink.deliver(batch.events) if batch.events else ())]
        return told[0].reason if told else None


def _minimum(read: Read) -> int:
    """First index that a pruned log still holds (C2SP tlog-tiles): a sink that is new begins there."""
    stated = (read("minimum-index") or b"").strip()
    return int(stated) if stated.isdigit() else 0


def time_of(leaf: bytes) -> float:
    """Time of a leaf in seconds since the epoch; 0 for one that states none."""
    stated = offline.read_fields(leaf).get("ts")
    try:
        return datetime.fromisoformat(stated).timestamp() if isinstance(stated, str) else 0.0
    except ValueError:
        return 0.0


def _learned(vkeys: tuple[str, ...], origin: str, fields: dict[str, object]) -> tuple[str, ...]:
    """Keys that may sign from here on: those that a leaf introduces, under an earlier key, and not those it retires."""
    keys, action = fields.get("keys"), fields.get("action")
    if fields.get("purpose") != "checkpoint" or not is_list(keys):
        return vkeys
    # A key may be written with the name of another year's log: it is the same key.
    named = {f"{_material(key)}" for key in keys if isinstance(key, str) and "+" in key}
    if action == "retired":
        left = tuple(vkey for vkey in vkeys if _material(vkey) not in named)
        return left or vkeys
    fresh = [key for key in keys if isinstance(key, str) and key.partition("+")[0] == origin]
    return tuple(dict.fromkeys((*vkeys, *fresh))) if action == "introduced" else vkeys


def _material(vkey: str) -> str:
    """The key itself, without the name of the log it signs for: `name+hex(id)+base64` to `base64`."""
    return vkey.split("+", 2)[-1]
