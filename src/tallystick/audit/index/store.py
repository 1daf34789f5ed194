"""The index on disk: one SQLite database that follows logs, and may be deleted at any time."""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

from tallystick.audit.database import transaction
from tallystick.audit.index.rows import Row, row_of
from tallystick.audit.index.search import COLUMNS, Query, counting, sql
from tallystick.audit.offline import read_fields, read_leaves, size_of
from tallystick.audit.offline.read import reader, text
from tallystick.audit.offline.verify import MINIMUM_FILE
from tallystick.terms import TallyError

LogFiles = Iterable[Path]
"""Directories of logs."""

PLACE: Final = Path("index") / "records.sqlite"
"""Where the index of all of a state directory's logs is, below that."""

_BATCH: Final = 2_000
_VERSION: Final = 2
_COLUMNS: Final = ", ".join(Row._fields)
_MARKS: Final = ", ".join("?" * len(Row._fields))
_SCHEMA: Final = f"""
CREATE TABLE record ({_COLUMNS}, PRIMARY KEY (log, number)) WITHOUT ROWID;
CREATE TABLE followed (log TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT;
CREATE INDEX by_time ON record (ts);
CREATE INDEX by_person ON record (person, ts) WHERE person IS NOT NULL;
CREATE INDEX by_agent ON record (agent, ts) WHERE agent IS NOT NULL;
CREATE INDEX by_tool ON record (server, tool, ts) WHERE server IS NOT NULL;
CREATE INDEX by_call ON record (call) WHERE call IS NOT NULL;
CREATE INDEX by_intent ON record (log, intent);
CREATE INDEX by_amount ON record (amount) WHERE amount IS NOT NULL;
CREATE INDEX by_subject ON record (subject, ts) WHERE subject IS NOT NULL;
CREATE TRIGGER never_changed BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'the index only grows'); END;
CREATE TRIGGER never_dropped BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'the index only grows'); END;
PRAGMA user_version = {_VERSION};
"""


class IndexError_(TallyError):  # noqa: N801 - the built-in has the plain name
    """The index cannot be read or written; it may be deleted, and is then made anew from the log."""

    def __init__(self, path: str, why: object) -> None:
        super().__init__(
            "unavailable", f"the index {path}: {why}. It holds nothing of its own: delete it and ask again"
        )


class Index:
    """An open index. Opened by several processes at once, each sees whole batches."""

    def __init__(self, path: Path | None) -> None:
        """Open or make the index at `path`; None keeps it in memory. One of another version is made anew."""
        self._name = str(path or "in memory")
        with self._told():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=60)
            if path is not None:
                path.chmod(0o600)
            self._database.execute("PRAGMA journal_mode = WAL")
            # Nothing is lost with it: what a power cut takes is read from the log again.
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._make()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def follow(self, logs: LogFiles, progress: Callable[[int, int], None] | None = None) -> None:
        """Take in what the logs have published since; `progress` is told the leaves done and the leaves to do.

        Raises IndexError_ where it cannot be written or a log is shorter than before, UnreadableError for a log.
        """
        sizes = {directory: (_origin(directory), size_of(directory)) for directory in logs}
        known = {log: self._followed(log) for log, _ in sizes.values()}
        total, done = sum(size - known[log] for log, size in sizes.values()), 0
        for directory, (log, size) in sizes.items():
            if size < known[log]:
                raise IndexError_(self._name, f"{log} has {size} leaves and had {known[log]}: it was restored or cut")
            # What was pruned is known from before, or from nowhere any more.
            for start in range(max(known[log], _minimum(directory)), size, _BATCH):
                stop = min(size, start + _BATCH)
                self._take(directory, log, range(start, stop))
                done += stop - start
                if progress is not None:
                    progress(done, total)

    def search(self, query: Query) -> list[dict[str, object]]:
        """Records that fit, as JSON objects with the fields COLUMNS."""
        statement, values = sql(query)
        with self._told():
            rows: list[tuple[object, ...]] = self._database.execute(statement, values).fetchall()
        return [_record(row) for row in rows]

    def count(self, query: Query) -> int:
        """Return how many records fit, whatever the query's limit is."""
        statement, values = counting(query)
        with self._told():
            found: tuple[int] = self._database.execute(statement, values).fetchone()
        return found[0]

    def span(self, subject: str) -> list[tuple[str, int, int]]:
        """Log, first and last leaf that name a subject reference."""
        statement = "SELECT log, MIN(number), MAX(number) FROM record WHERE subject = ? GROUP BY log ORDER BY log"
        with self._told():
            return self._database.execute(statement, (subject,)).fetchall()

    def _make(self) -> None:
        with transaction(self._database):
            version: tuple[int] = self._database.execute("PRAGMA user_version").fetchone()
            if version[0] != _VERSION:
                for table in ("record", "followed"):
                    self._database.execute(f"DROP TABLE IF EXISTS {table}")
                for statement in _SCHEMA.split(";\n"):
                    self._database.execute(statement)

    def _followed(self, log: str) -> int:
        with self._told():
            found: tuple[int] | None = self._database.execute(
                "SELECT size FROM followed WHERE log = ?", (log,)
            ).fetchone()
        return found[0] if found is not None else 0

    def _take(self, directory: Path, log: str, indices: range) -> None:
        rows = [row_of(log, index, read_fields(leaf)) for index, leaf in read_leaves(directory, indices)]
        # INVARIANT: rows and the size that was followed change together, so no leaf is missed or told twice.
        with self._told(), transaction(self._database):
            self._database.executemany(f"INSERT OR IGNORE INTO record VALUES ({_MARKS})", self._whole(rows))  # noqa: S608 - made of constants
            self._database.execute(
                "INSERT INTO followed VALUES (?1, ?2) ON CONFLICT DO UPDATE SET size = MAX(size, ?2)",
                (log, indices.stop),
            )

    def _whole(self, rows: list[Row]) -> list[Row]:
        """Outcomes with what only their intents tell: who called what."""
        here = {row.number: row for row in rows}
        return [row if row.intent is None else self._joined(row, here.get(row.intent)) for row in rows]

    def _joined(self, row: Row, intent: Row | None) -> Row:
        if intent is None:
            found: tuple[object, ...] | None = self._database.execute(
                "SELECT person, agent, client, server, tool, method, route, decision FROM record "
                "WHERE log = ? AND number = ?",
                (row.log, row.intent),
            ).fetchone()
            told: Mapping[str, object] = dict(zip(_TOLD, found or (), strict=False))
        else:
            told = {name: getattr(intent, name) for name in _TOLD}
        values = {name: value for name, value in told.items() if isinstance(value, str) and getattr(row, name) is None}
        return row._replace(**values)

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise IndexError_(self._name, error) from error


_TOLD: Final = ("person", "agent", "client", "server", "tool", "method", "route", "decision")


def _minimum(directory: Path) -> int:
    stated = reader(directory)(MINIMUM_FILE)
    return int(stated) if stated is not None and stated.strip().isdigit() else 0


def _origin(directory: Path) -> str:
    return text(directory / "checkpoint").partition("\n")[0]


def _record(row: tuple[object, ...]) -> dict[str, object]:
    found = dict(zip(COLUMNS, row, strict=True))
    for name in ("reasons", "policies"):
        found[name] = str(found[name]).split()
    amount = found["amount"]
    if isinstance(amount, int):
        found["amount"] = format((Decimal(amount) / 1_000_000).normalize(), "f")
    return {name: value for name, value in found.items() if value not in (None, [])}
