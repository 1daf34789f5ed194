"""The index of a tenant's sealed records: where each one is. SQLite; rebuildable, so that it may lag behind a crash."""

import json
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from errno import EIO
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from tallystick.audit.database import transaction
from tallystick.audit.payload.model import Entry, Usage
from tallystick.audit.payload.seal import Header

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS segment (
    id INTEGER PRIMARY KEY, class TEXT NOT NULL, month TEXT NOT NULL, number INTEGER NOT NULL, place TEXT NOT NULL,
    length INTEGER NOT NULL, records INTEGER NOT NULL, content INTEGER NOT NULL, UNIQUE (class, month, number)
) STRICT;
CREATE TABLE IF NOT EXISTS record (
    call TEXT NOT NULL, field TEXT NOT NULL, leaf BLOB NOT NULL, key BLOB NOT NULL, ts TEXT NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (call, field, leaf)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_key ON record (key);
CREATE INDEX IF NOT EXISTS record_segment ON record (segment);
"""
_Value = TypeVar("_Value")


class Segment(NamedTuple):
    """A segment as the index knows it: `place` is "" for the state directory, `length` the bytes that are indexed."""

    id: int
    retention: str
    month: str
    number: int
    place: str
    length: int


class Spot(NamedTuple):
    """Where a record is: its segment, and offset and length of its frame."""

    segment: int
    offset: int
    length: int


class Catalog:
    """The opened index. One user at a time. Every method raises OSError when the database does."""

    def __init__(self, path: Path) -> None:
        with _as_os_error():
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            self._database.execute("PRAGMA journal_mode = WAL")
            # Not FULL: what a power cut takes back here is found again in the segments.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def segments(self) -> list[Segment]:
        """All segments, in the order of class, month and number."""
        query = "SELECT id, class, month, number, place, length FROM segment ORDER BY class, month, number"
        return self._rows(list[Segment], query)

    def segment(self, number: int) -> Segment:
        """One segment by its id."""
        query = "SELECT id, class, month, number, place, length FROM segment WHERE id = ?"
        return self._rows(list[Segment], query, (number,))[0]

    def begin(self, retention: str, month: str, number: int, place: str) -> Segment:
        """Note a segment before anything is in it, so that a torn first record is known for what it is."""
        insert = (
            "INSERT INTO segment (class, month, number, place, length, records, content) VALUES (?, ?, ?, ?, 0, 0, 0)"
        )
        with _as_os_error():
            made = self._database.execute(insert, (retention, month, number, place)).lastrowid
        return Segment(made or 0, retention, month, number, place, 0)

    def move(self, segment: Segment, place: str) -> None:
        """Note that a segment is elsewhere now."""
        with _as_os_error():
            self._database.execute("UPDATE segment SET place = ? WHERE id = ?", (place, segment.id))

    def known(self, calls: Iterable[str]) -> set[tuple[str, str, str]]:
        """Call id, field and leaf hash (hex) of every record of these calls that is indexed."""
        query = "SELECT call, field, leaf FROM record WHERE call IN (SELECT value FROM json_each(?))"
        found = self._rows(list[tuple[str, str, bytes]], query, (json.dumps([*calls]),))
        return {(call, field, leaf.hex()) for call, field, leaf in found}

    def add(self, found: Iterable[tuple[Header, Spot]]) -> None:
        """Index records and what their segments have grown by, in one transaction."""
        rows: list[tuple[object, ...]] = []
        growth: dict[int, list[int]] = {}
        for header, spot in found:
            leaf, key = bytes.fromhex(header.leaf), bytes.fromhex(header.key)
            rows.append((header.call, header.field, leaf, key, header.ts, *spot, header.size))
            grown = growth.setdefault(spot.segment, [0, 0, 0])
            grown[0] = max(grown[0], spot.offset + spot.length)
            grown[1] += 1
            grown[2] += header.size
        update = "UPDATE segment SET length = max(length, ?), records = records + ?, content = content + ? WHERE id = ?"
        with _as_os_error(), transaction(self._database):
            self._database.executemany("INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._database.executemany(update, [(*grown, segment) for segment, grown in growth.items()])

    def find(self, call_id: str, field: str) -> Spot | None:
        """Where the newest record of a field of a call is."""
        query = "SELECT segment, offset, length FROM record WHERE call = ? AND field = ? ORDER BY ts DESC LIMIT 1"
        return next(iter(self._rows(list[Spot], query, (call_id, field))), None)

    def entries(self, key_ids: Sequence[str]) -> list[Entry]:
        """Every record under these keys, oldest first."""
        query = (
            "SELECT call, field, class, lower(hex(leaf)), size, ts FROM record JOIN segment ON segment.id = segment "
            "WHERE key = ?"
        )
        found = [entry for key in key_ids for entry in self._rows(list[Entry], query, (bytes.fromhex(key),))]
        return sorted(found, key=lambda entry: (entry.ts, entry.call_id, entry.field))

    def only_in(self, segments: Sequence[Segment]) -> list[str]:
        """Ids of the keys whose records are all in these segments."""
        inside: set[bytes] = set()
        for segment in segments:
            query = "SELECT DISTINCT key FROM record WHERE segment = ?"
            inside.update(key for (key,) in self._rows(list[tuple[bytes]], query, (segment.id,)))
        gone = {segment.id for segment in segments}
        others = "SELECT DISTINCT segment FROM record WHERE key = ?"
        places = {key: self._rows(list[tuple[int]], others, (key,)) for key in sorted(inside)}
        return [key.hex() for key, found in places.items() if gone.issuperset(one for (one,) in found)]

    def drop(self, segments: Sequence[Segment]) -> None:
        """Forget segments and their records."""
        ids = [(segment.id,) for segment in segments]
        with _as_os_error(), transaction(self._database):
            self._database.executemany("DELETE FROM record WHERE segment = ?", ids)
            self._database.executemany("DELETE FROM segment WHERE id = ?", ids)

    def usage(self, retention: str | None = None) -> list[Usage]:
        """What is stored by class, month and place."""
        query = (
            "SELECT class, month, place, count(*), sum(records), sum(length), sum(content) FROM segment "
            "WHERE class = ? OR ? IS NULL GROUP BY class, month, place ORDER BY class, month, place"
        )
        return self._rows(list[Usage], query, (retention, retention))

    def count(self, segments: Iterable[int]) -> tuple[int, int]:
        """Records, and bytes of their payloads in clear, of some segments."""
        query = "SELECT records, content FROM segment WHERE id = ?"
        found = [row for one in segments for row in self._rows(list[tuple[int, int]], query, (one,))]
        return sum(records for records, _ in found), sum(content for _, content in found)

    def _rows(self, shape: type[_Value], query: str, values: Sequence[object] = ()) -> _Value:
        with _as_os_error():
            found: object = self._database.execute(query, tuple(values)).fetchall()
        try:
            return msgspec.convert(found, shape)
        except msgspec.ValidationError as error:
            raise OSError(EIO, f"payload index: {error}") from error


@contextmanager
def _as_os_error() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(EIO, f"payload index: {error}") from error
