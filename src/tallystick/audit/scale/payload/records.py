"""The sealed records of a tenant as objects, each of one retention class and month, and their index in PostgreSQL.

Order of writes: the object, stored and locked for as long as its class says; then the index, which may lag behind but
never runs ahead. An object is a stretch of a segment of the embedded store (`payload.segments`): whoever downloads it
reads it in the same way. Lost index rows are made anew out of the objects (`rebuild`).
"""

from collections.abc import Callable, Iterable, Sequence
from errno import EIO
from hashlib import sha256
from typing import Final, NamedTuple

from tallystick.audit.model import Sealed
from tallystick.audit.payload import segments
from tallystick.audit.payload.model import Damaged, Entry, Expired, Usage
from tallystick.audit.payload.seal import Header, parse
from tallystick.audit.scale.bucket.objects import Objects
from tallystick.audit.scale.database.connection import Database, Rows

OBJECT_BYTES: Final = 64 << 20
"""An object takes no further record past this size."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS payload_object (
    tenant text NOT NULL, object text NOT NULL, retention text NOT NULL, month text NOT NULL, length bigint NOT NULL,
    records int NOT NULL, content bigint NOT NULL, PRIMARY KEY (tenant, object)
);
CREATE TABLE IF NOT EXISTS payload_record (
    tenant text NOT NULL, call text NOT NULL, field text NOT NULL, leaf text NOT NULL, key text NOT NULL,
    retention text NOT NULL, ts text NOT NULL, size bigint NOT NULL, object text NOT NULL, start bigint NOT NULL,
    length bigint NOT NULL, PRIMARY KEY (tenant, call, field, leaf)
);
CREATE INDEX IF NOT EXISTS payload_record_key ON payload_record (tenant, key);
CREATE INDEX IF NOT EXISTS payload_record_object ON payload_record (tenant, object);
CREATE TABLE IF NOT EXISTS payload_expired (
    tenant text NOT NULL, retention text NOT NULL, through text NOT NULL, PRIMARY KEY (tenant, retention)
);
"""
_NOTE: Final = """
WITH added AS (
    INSERT INTO payload_record SELECT %s, * FROM unnest(
        %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[],
        %s::bigint[])
    ON CONFLICT DO NOTHING
)
INSERT INTO payload_object VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_ONLY: Final = """
SELECT DISTINCT key FROM payload_record inside JOIN payload_object USING (tenant, object)
WHERE tenant = %s AND payload_object.retention = %s AND month <= %s AND NOT EXISTS (
    SELECT FROM payload_record other JOIN payload_object place USING (tenant, object)
    WHERE other.tenant = inside.tenant AND other.key = inside.key
    AND NOT (place.retention = %s AND place.month <= %s)
)
"""
_CONDEMN: Final = """
INSERT INTO payload_expired VALUES (%s, %s, %s)
ON CONFLICT (tenant, retention) DO UPDATE SET through = greatest(payload_expired.through, excluded.through)
"""
_DUE: Final = "SELECT object, length, records FROM payload_object WHERE tenant = %s AND retention = %s AND month <= %s"
_DROP: Final = """
WITH gone AS (DELETE FROM payload_record WHERE tenant = %s AND object = %s)
DELETE FROM payload_object WHERE tenant = %s AND object = %s
"""


class _Piece(NamedTuple):
    header: Header
    record: bytes


class ScaleRecords:
    """The records of one tenant. `days` tells for how long objects of a retention class are locked."""

    def __init__(self, database: Database, objects: Objects, tenant: str, days: Callable[[str], float]) -> None:
        self._database = database
        self._objects = objects
        self._tenant = tenant
        self._days = days
        self.damaged: list[str] = []

    def keep(self, sealed: Sequence[Sealed]) -> list[str]:
        """Make records durable, leaving out those that are; returns the key id of each that was not."""
        fresh: dict[tuple[str, str, str], _Piece] = {}
        for one in sealed:
            header = parse(one.record).header
            if header.retention != one.retention:
                message = f"{header.call} {header.field}: sealed as {header.retention}, handed over as {one.retention}"
                raise Damaged(message)
            fresh[header.call, header.field, header.leaf] = _Piece(header, one.record)
        for known in self._known(fresh):
            del fresh[known]
        groups: dict[tuple[str, str], list[_Piece]] = {}
        for piece in fresh.values():
            groups.setdefault((piece.header.retention, piece.header.month), []).append(piece)
        for pieces in groups.values():
            for some in _bounded(pieces):
                self._store(some)
        return [piece.header.key for piece in fresh.values()]

    def find(self, call_id: str, field: str) -> bytes | None:
        """The newest record of a field of a call; raises Damaged, OSError."""
        query = (
            "SELECT object, start, length FROM payload_record WHERE tenant = %s AND call = %s AND field = %s "
            "ORDER BY ts DESC LIMIT 1"
        )
        rows = self._database.rows(query, (self._tenant, call_id, field))
        if not rows:
            return None
        path, start, length = str(rows[0][0]), _whole(rows[0][1]), _whole(rows[0][2])
        content = self._objects.read_range(path, start, length)
        record = segments.unframe(content) if content is not None else None
        if record is None:
            message = f"{path}: the {length} bytes at {start} are not the record that was written there"
            raise Damaged(message)
        return record

    def entries(self, key_ids: Sequence[str]) -> list[Entry]:
        """Every record under these keys, oldest first."""
        query = (
            "SELECT call, field, retention, leaf, size, ts FROM payload_record WHERE tenant = %s AND key = ANY(%s) "
            "ORDER BY ts, call, field"
        )
        rows = self._database.rows(query, (self._tenant, list(key_ids)))
        return [
            Entry(str(call), str(field), str(kind), str(leaf), _whole(size), str(ts))
            for call, field, kind, leaf, size, ts in rows
        ]

    def expired(self) -> dict[str, str]:
        """The last month (YYYY-MM) whose records were expired, by retention class."""
        query = "SELECT retention, through FROM payload_expired WHERE tenant = %s"
        return {str(kind): str(through) for kind, through in self._database.rows(query, (self._tenant,))}

    def only_in(self, retention: str, through: str) -> list[str]:
        """Ids of the keys that only a class's months up to `through` use."""
        rows = self._database.rows(_ONLY, (self._tenant, retention, through, retention, through))
        return [str(key) for (key,) in rows]

    def condemn(self, retention: str, through: str) -> list[str]:
        """Decide, durably, that a class's months up to `through` go; returns the keys that only they use."""
        if self._database.rows(_DUE, (self._tenant, retention, through)):
            self._database.again(_CONDEMN, (self._tenant, retention, through))
        return self.only_in(retention, self.expired().get(retention, ""))

    def drop(self, retention: str) -> Expired:
        """Delete what was condemned. An object whose lock is not over yet stays, and is tried again the next time."""
        last = self.expired().get(retention, "")
        done: Rows = []
        for row in self._database.rows(_DUE, (self._tenant, retention, last)):
            path = str(row[0])
            try:
                self._objects.delete(path)
            except OSError as error:
                self.damaged.append(f"{path} has expired and cannot be deleted: {error}")
                continue
            # The index goes last: until then it tells which keys the deleted records had.
            self._database.again(_DROP, (self._tenant, path, self._tenant, path))
            done.append(row)
        return Expired(len(done), sum(_whole(row[2]) for row in done), sum(_whole(row[1]) for row in done), 0)

    def tier(self, through: str, directory: str) -> Usage:
        """Refuse: objects move to cheaper storage by a lifecycle rule of their bucket, and are read in the same way."""
        del through
        raise OSError(EIO, f"payloads in a bucket are not moved to {directory}: give the bucket a lifecycle rule")

    def usage(self) -> list[Usage]:
        """What is kept, by class and month."""
        query = (
            "SELECT retention, month, count(*), sum(records)::bigint, sum(length)::bigint, sum(content)::bigint "
            "FROM payload_object WHERE tenant = %s GROUP BY retention, month ORDER BY retention, month"
        )
        return [
            Usage(str(kind), str(month), "", *map(_whole, counts))
            for kind, month, *counts in self._database.rows(query, (self._tenant,))
        ]

    def rebuild(self) -> int:
        """Note every record of every object that the index lacks; returns how many objects there are."""
        count = 0
        for version in self._objects.versions():
            if version.marker or not version.path.endswith(segments.SUFFIX):
                continue
            count += 1
            content = self._objects.read_version(version)
            self._note(version.path, *_taken_apart(content))
        return count

    def close(self) -> None:
        """Nothing to close: the connections are those of the store."""

    def _known(self, wanted: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        columns = [[*column] for column in zip(*wanted, strict=True)]
        if not columns:
            return []
        query = (
            "SELECT call, field, leaf FROM payload_record JOIN unnest(%s::text[], %s::text[], %s::text[]) "
            "AS wanted (call, field, leaf) USING (call, field, leaf) WHERE tenant = %s"
        )
        rows = self._database.rows(query, (*columns, self._tenant))
        return [(str(call), str(field), str(leaf)) for call, field, leaf in rows]

    def _store(self, pieces: Sequence[_Piece]) -> None:
        content = b"".join([segments.frame(piece.record) for piece in pieces])
        first = pieces[0].header
        # Named by its content, so that it can be stored twice and is there once.
        path = f"{first.retention}/{first.month}/{sha256(content).hexdigest()[:40]}{segments.SUFFIX}"
        self._objects.put_once(path, content, self._days(first.retention))
        self._note(path, pieces, len(content))

    def _note(self, path: str, pieces: Sequence[_Piece], length: int) -> None:
        if not pieces:
            return
        first = pieces[0].header
        rows: list[tuple[str, str, str, str, str, str, int, str, int, int]] = []
        at = 0
        for header, record in pieces:
            size = segments.FRAME.size + len(record)
            about = (header.call, header.field, header.leaf, header.key, header.retention, header.ts)
            rows.append((*about, header.size, path, at, size))
            at += size
        columns = [list(column) for column in zip(*rows, strict=True)]
        total = sum(piece.header.size for piece in pieces)
        about_object = (self._tenant, path, first.retention, first.month, length, len(pieces), total)
        self._database.again(_NOTE, (self._tenant, *columns, *about_object))


def _bounded(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Pieces in their order, in lists that are no larger than an object may be (or of one piece)."""
    found: list[list[_Piece]] = []
    room = 0
    for piece in pieces:
        if len(piece.record) > room or not found:
            found.append([])
            room = OBJECT_BYTES
        found[-1].append(piece)
        room -= len(piece.record)
    return found


def _taken_apart(content: bytes) -> tuple[list[_Piece], int]:
    """The records of an object; raises Damaged where it holds anything else."""
    pieces: list[_Piece] = []
    at = 0
    while at < len(content):
        _, length, _ = segments.FRAME.unpack_from(content.ljust(at + segments.FRAME.size, b"\0"), at)
        stop = at + segments.FRAME.size + length
        record = segments.unframe(content[at:stop])
        if record is None:
            message = f"an object of payloads is damaged at byte {at}"
            raise Damaged(message)
        pieces.append(_Piece(parse(record).header, record))
        at = stop
    return pieces, len(content)


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise OSError(EIO, f"database: {value!r} is no number")
    return value
