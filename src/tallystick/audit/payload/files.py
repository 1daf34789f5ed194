"""The sealed records of a tenant in files: `<state>/payload/<tenant>/<class>/<YYYY-MM>-<n>.pay`, and an index of them.

Order of writes: records, synced; then the index, which may lag behind but never runs ahead. A lost index is made anew
out of the segments. What expires goes as whole segments, marked first, so that the next start finishes what a crash cut
short. The index (`index.sqlite`) holds call ids, field names, leaf hashes and key ids; never a key or a payload.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from errno import EIO
from filecmp import cmp
from itertools import groupby
from pathlib import Path
from shutil import copyfileobj
from typing import Final

from tallystick.audit.disk import make_directory, sync_directory, write_durably
from tallystick.audit.model import Sealed
from tallystick.audit.payload import segments
from tallystick.audit.payload.catalog import Catalog, Segment, Spot
from tallystick.audit.payload.model import Damaged, Entry, Expired, Usage
from tallystick.audit.payload.seal import Header, parse

SEGMENT_BYTES: Final = 256 << 20
"""A segment takes no further record past this size: bounds what a rebuild reads at once and a move copies at once."""
_OPEN_LIMIT: Final = 16
"""Segments that are open for appending; more classes and months than these take turns."""


class FileRecords:
    """The records of one tenant below `root`. Raises OSError when they cannot be opened."""

    def __init__(self, root: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root = root
        self._limit = segment_bytes
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], tuple[Segment, int]] = {}
        self._full: set[int] = set()
        self._failure: OSError | None = None
        self.damaged: list[str] = []
        make_directory(root)
        self._catalog = Catalog(root / "index.sqlite")
        self._reconcile()

    # `damaged`: stretches of segments that are no records, by path and offset, as far as this start has looked.

    def keep(self, sealed: Sequence[Sealed]) -> list[str]:
        """Make records durable, leaving out those that are; returns the key id of each that was not."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            headers = [parse(one.record).header for one in sealed]
            known = self._catalog.known({header.call for header in headers})
            fresh: dict[tuple[str, str, str], tuple[Header, Sealed]] = {}
            for header, one in zip(headers, sealed, strict=True):
                if header.retention != one.retention:
                    message = f"{header.call} {header.field}: sealed as {header.retention}, told as {one.retention}"
                    raise Damaged(message)
                place = (header.call, header.field, header.leaf)
                if place not in known:
                    fresh[place] = (header, one)
            try:
                self._catalog.add(self._write(sorted(fresh.values(), key=_group)))
            except OSError as error:
                # INVARIANT: the first failed write is the last: after a failed sync nobody knows what the disk holds.
                self._failure = error
                raise
            return [header.key for header, _ in fresh.values()]

    def find(self, call_id: str, field: str) -> bytes | None:
        """The newest record of a field of a call; raises Damaged."""
        with self._lock:
            spot = self._catalog.find(call_id, field)
            if spot is None:
                return None
            path = self._path(self._catalog.segment(spot.segment))
            try:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError as error:
                message = f"{path} is gone; is the directory of old payloads mounted?"
                raise Damaged(message) from error
        try:
            record = segments.read_frame(file, spot.offset, spot.length)
        finally:
            os.close(file)
        if record is None:
            message = f"{path}: the {spot.length} bytes at {spot.offset} are not the record that was written there"
            raise Damaged(message)
        return record

    def entries(self, key_ids: Sequence[str]) -> list[Entry]:
        """Every record under these keys, oldest first."""
        with self._lock:
            return self._catalog.entries(key_ids)

    def expired(self) -> dict[str, str]:
        """The last month (YYYY-MM) whose records were expired, by retention class."""
        return segments.expired_months(self._root)

    def only_in(self, retention: str, through: str) -> list[str]:
        """Ids of the keys that only a class's months up to `through` use."""
        with self._lock:
            found = [one for one in self._catalog.segments() if one.retention == retention and one.month <= through]
            return self._catalog.only_in(found)

    def condemn(self, retention: str, through: str) -> list[str]:
        """Decide, durably, that a class's months up to `through` go; returns the keys that only they use."""
        with self._lock:
            mark = self._root / retention / "expired"
            due = [one for one in self._catalog.segments() if one.retention == retention and one.month <= through]
            if not due:
                # Nothing new; what was condemned before may still have to be finished.
                return self._catalog.only_in(self._doomed(retention))
            through = max(through, self.expired().get(retention, ""))
            make_directory(mark.parent)
            write_durably(mark, f"{through}\n".encode(), 0o644)
            sync_directory(mark.parent)
            return self._catalog.only_in(self._doomed(retention))

    def drop(self, retention: str) -> Expired:
        """Delete the segments that were condemned."""
        with self._lock:
            doomed = self._doomed(retention)
            usage = [one for one in self._catalog.usage(retention) if one.month <= self.expired().get(retention, "")]
            for segment in doomed:
                self._release((retention, segment.month))
                path = self._path(segment)
                path.unlink(missing_ok=True)
                with suppress(FileNotFoundError):
                    sync_directory(path.parent)
            # The index goes last: until then it tells which keys the deleted records had.
            self._catalog.drop(doomed)
            records, stored = sum(one.records for one in usage), sum(one.stored_bytes for one in usage)
            return Expired(len(doomed), records, stored, 0)

    def tier(self, through: str, directory: str) -> Usage:
        """Move the months up to `through` to a cheaper directory; returns what was moved."""
        place = str(Path(directory))
        if not Path(place).is_absolute() or "\n" in place:
            message = f"{directory!r} is no absolute path of a directory"
            raise OSError(EIO, message)
        with self._lock:
            moving = [one for one in self._catalog.segments() if one.month <= through and one.place == ""]
            if moving:
                self._claim(Path(place) / self._root.name)
                self._note_tier(place)
            for segment in moving:
                self._release((segment.retention, segment.month))
            # Nothing goes behind a segment that moves, so that it can be copied while others are written.
            self._full.update(segment.id for segment in moving)
        for segment in moving:
            self._move(segment, place)
        with self._lock:
            ids = {segment.id for segment in moving}
            records, content = self._catalog.count(ids)
        return Usage("", through, place, len(moving), records, sum(one.length for one in moving), content)

    def usage(self) -> list[Usage]:
        """What is kept, by class, month and place."""
        with self._lock:
            return self._catalog.usage()

    def close(self) -> None:
        """Close files and index."""
        with self._lock:
            for pair in list(self._open):
                self._release(pair)
            self._catalog.close()

    def _write(self, fresh: Sequence[tuple[Header, Sealed]]) -> list[tuple[Header, Spot]]:
        """Append records, sorted by segment, and sync what was appended to."""
        places: list[tuple[Header, Spot]] = []
        for _, group in groupby(fresh, key=_group):
            pending: list[bytes] = []
            segment, file, at = None, -1, 0
            for header, one in group:
                framed = segments.frame(one.record)
                if segment is None or (at and at + len(framed) > self._limit):
                    if segment is not None:
                        _append(file, pending, at)
                        self._full.add(segment.id)
                        pending = []
                    segment, file = self._segment(header, len(framed))
                    at = segment.length
                places.append((header, Spot(segment.id, at, len(framed))))
                pending.append(framed)
                at += len(framed)
            if segment is not None:
                _append(file, pending, at)
                self._open[segment.retention, segment.month] = (segment._replace(length=at), file)
        return places

    def _segment(self, header: Header, least: int) -> tuple[Segment, int]:
        """The segment that takes the next record of a class and month, and its open file."""
        pair = (header.retention, header.month)
        known = self._open.get(pair)
        if known is not None and known[0].id not in self._full and known[0].length + least <= self._limit:
            return known
        self._release(pair)
        while len(self._open) >= _OPEN_LIMIT:
            self._release(next(iter(self._open)))
        found = [one for one in self._catalog.segments() if (one.retention, one.month) == pair]
        newest = found[-1] if found else None
        takes = newest is not None and newest.place == "" and newest.id not in self._full
        if newest is None or not takes or (newest.length and newest.length + least > self._limit):
            number = 1 + (0 if newest is None else newest.number)
            newest = self._catalog.begin(*pair, number, "")
        path = self._path(newest)
        make_directory(path.parent)
        is_new = not path.exists()
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if is_new:
            sync_directory(path.parent)
        self._open[pair] = (newest, file)
        return newest, file

    def _release(self, pair: tuple[str, str]) -> None:
        known = self._open.pop(pair, None)
        if known is not None:
            os.close(known[1])

    def _path(self, segment: Segment) -> Path:
        place = self._root if segment.place == "" else Path(segment.place) / self._root.name
        return place / segment.retention / segments.segment_name(segment.month, segment.number)

    def _doomed(self, retention: str) -> list[Segment]:
        through = self.expired().get(retention, "")
        return [one for one in self._catalog.segments() if one.retention == retention and one.month <= through]

    def _claim(self, target: Path) -> None:
        """Make a cheaper directory ours; raises OSError for one that is the payload directory, or somebody else's."""
        ours, theirs = self._root.resolve(), target.resolve()
        if ours == theirs or ours in theirs.parents or theirs in ours.parents:
            raise OSError(EIO, f"{target} is where the payloads are: choose a directory of its own")
        identity, owner = self._root / "id", target / "owner"
        if not identity.exists():
            write_durably(identity, os.urandom(16).hex().encode(), 0o600)
            sync_directory(self._root)
        if target.exists() and any(target.iterdir()):
            known = owner.read_bytes() if owner.exists() else b"nobody we know"
            if known != identity.read_bytes():
                raise OSError(EIO, f"{target} holds what is not of this state directory: choose another directory")
            return
        make_directory(target)
        write_durably(owner, identity.read_bytes(), 0o600)
        sync_directory(target)

    def _note_tier(self, directory: str) -> None:
        path = self._root / "tiers"
        known = path.read_text().splitlines() if path.exists() else []
        if directory not in known:
            write_durably(path, "".join(f"{line}\n" for line in [*known, directory]).encode(), 0o644)
            sync_directory(self._root)

    def _move(self, segment: Segment, directory: str) -> None:
        source, target = self._path(segment), self._path(segment._replace(place=directory))
        make_directory(target.parent)
        if target.exists() and not cmp(source, target, shallow=False):
            message = f"{target} exists already and differs; {source} stays where it is"
            raise OSError(EIO, message)
        beside = target.with_name(target.name + ".new")
        with source.open("rb") as old, beside.open("wb") as new:
            os.fchmod(new.fileno(), 0o600)
            copyfileobj(old, new, 1 << 20)
            new.flush()
            os.fsync(new.fileno())
        if any(found.record is None for found in _scan(beside)) or beside.stat().st_size != segment.length:
            beside.unlink()
            message = f"{source}: does not read back in {directory}; it stays where it is"
            raise OSError(EIO, message)
        beside.rename(target)
        sync_directory(target.parent)
        with self._lock:
            self._catalog.move(segment, directory)
            source.unlink()
        sync_directory(source.parent)

    def _reconcile(self) -> None:
        """Make index and segments agree: take in what the index lacks, cut off torn tails, finish a move cut short."""
        known = {(one.retention, one.month, one.number): one for one in self._catalog.segments()}
        places = ["", *(str(place.parent) for place in segments.tier_directories(self._root))]
        for place in reversed(places):
            folder = self._root if place == "" else Path(place) / self._root.name
            for retention, month, number, path in list(segments.segment_files(folder)):
                one = known.get((retention, month, number))
                if one is not None and one.place != place:
                    # Copied whole and not yet removed here, or copied and not yet noted.
                    if place == "":
                        _remove_copy(path, self._path(one))
                        continue
                    self._catalog.move(one, place)
                is_new = one is None
                one = one or self._catalog.begin(retention, month, number, place)
                known[retention, month, number] = one._replace(place=place)
                self._take_in(one, path, is_new=is_new)

    def _take_in(self, segment: Segment, path: Path, *, is_new: bool) -> None:
        size = path.stat().st_size
        if size < segment.length:
            self.damaged.append(f"{path}: {size} bytes, and {segment.length} were written")
            self._full.add(segment.id)
        if size <= segment.length:
            return
        end = segment.length
        batch: list[tuple[Header, Spot]] = []
        for found in _scan(path, segment.length):
            if found.record is None:
                self.damaged.append(f"{path}: {found.length} bytes at {found.offset}")
                continue
            end = found.offset + found.length
            header = segments.header_in(found.record)
            if header is None:
                self.damaged.append(f"{path}: the record at {found.offset}")
                continue
            batch.append((header, Spot(segment.id, found.offset, found.length)))
            if len(batch) >= 1000:  # noqa: PLR2004 - bounds the memory of a rebuild
                self._catalog.add(batch)
                batch = []
        self._catalog.add(batch)
        if end == size:
            return
        if is_new:
            # Nobody knows whether this tail was promised once: it stays as it is, and nothing goes behind it.
            self._full.add(segment.id)
        else:
            # Past what the index knows, hence never promised: a write that a crash cut short.
            self.damaged.pop()
            with path.open("r+b") as file:
                file.truncate(end)
                os.fsync(file.fileno())


def month_before(at_month: str) -> str:
    """The month before a month, both YYYY-MM."""
    year, month = int(at_month[:4]), int(at_month[5:])
    return f"{year - 1:04d}-12" if month == 1 else f"{year:04d}-{month - 1:02d}"


def _remove_copy(path: Path, copy: Path) -> None:
    if not cmp(path, copy, shallow=False):
        message = f"{path} and {copy} should be the same, and differ; move the wrong one away"
        raise OSError(EIO, message)
    path.unlink()


def _group(pair: tuple[Header, Sealed]) -> tuple[str, str]:
    return pair[0].retention, pair[0].month


def _scan(path: Path, start: int = 0) -> Iterator[segments.Found]:
    with path.open("rb") as file:
        yield from segments.scan(file, start)


def _append(file: int, pending: Sequence[bytes], end: int) -> None:
    """Write so that the bytes end at `end`, and sync."""
    content = b"".join(pending)
    if os.pwrite(file, content, end - len(content)) != len(content):
        raise OSError(EIO, "short write to a payload segment")
    os.fdatasync(file)
