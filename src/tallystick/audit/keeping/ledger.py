"""What keeping remembers of one tenant: classes, holds, and erasures that are under way."""

import json
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tallystick.audit.database import transaction
from tallystick.audit.keeping.classes import Promise, RetentionClass, class_of, effective, weakened
from tallystick.audit.keeping.judge import Hold
from tallystick.terms import TallyError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS class (name TEXT PRIMARY KEY, said TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS hold (name TEXT PRIMARY KEY, said TEXT NOT NULL, recorded INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS promise (said TEXT NOT NULL, until TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS pending (id TEXT PRIMARY KEY, said TEXT NOT NULL, leaf INTEGER) STRICT;
"""


class Ledger:
    """`<state>/keeping/<tenant>.sqlite`. Every change is durable when its method returns. Raises TallyError."""

    def __init__(self, path: Path) -> None:
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            path.chmod(0o600)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            for statement in _SCHEMA.strip().split("\n"):
                self._database.execute(statement)
        self._path = path

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def classes(self) -> dict[str, RetentionClass]:
        """Return every class by name."""
        return effective(class_of(said) for said in self._said("SELECT said FROM class"))

    def promises(self) -> list[Promise]:
        """Return the statutory classes as they were before they were weakened."""
        with _told(self._path):
            rows = self._database.execute("SELECT said, until FROM promise ORDER BY until").fetchall()
        return [Promise(class_of(json.loads(said)), str(until)) for said, until in rows]

    def configure(self, classes: Sequence[RetentionClass], at: str) -> None:
        """Replace the configured classes; what a statute promised until then (`at`, RFC 3339) is remembered."""
        kept = [(_json(old.to_json()), at) for old in weakened(self.classes(), effective(classes))]
        with _told(self._path), transaction(self._database):
            self._database.executemany("INSERT INTO promise VALUES (?, ?)", kept)
            self._database.execute("DELETE FROM class")
            rows = [(found.name, _json(found.to_json())) for found in classes]
            self._database.executemany("INSERT OR REPLACE INTO class VALUES (?, ?)", rows)

    @property
    def is_new(self) -> bool:
        """Tell whether nobody has looked yet which holds the record knows."""
        with _told(self._path):
            return self._database.execute("PRAGMA user_version").fetchone() == (0,)

    def recall(self, holds: Iterable[Hold]) -> None:
        """Take over the holds that are in force by the record, beside those that are known."""
        with _told(self._path), transaction(self._database):
            rows = [(hold.name, _json(hold.to_json())) for hold in holds]
            self._database.executemany("INSERT OR IGNORE INTO hold VALUES (?, ?, 1)", rows)
            self._database.execute("PRAGMA user_version = 1")

    def holds(self) -> list[Hold]:
        """Return the holds in force, in order of name."""
        return [_hold(said) for said in self._said("SELECT said FROM hold ORDER BY name")]

    def place(self, hold: Hold) -> bool:
        """Put a hold in force; False where its name is taken."""
        with _told(self._path):
            placed = self._database.execute(
                "INSERT OR IGNORE INTO hold VALUES (?, ?, 0)", (hold.name, _json(hold.to_json()))
            )
            return placed.rowcount == 1

    def recorded(self, name: str) -> None:
        """Note that the hold's leaf is in the log."""
        self._write("UPDATE hold SET recorded = 1 WHERE name = ?", (name,))

    def unrecorded(self) -> list[Hold]:
        """Return the holds whose leaf may be missing, because the process ended in between."""
        return [_hold(said) for said in self._said("SELECT said FROM hold WHERE recorded = 0 ORDER BY name")]

    def release(self, name: str) -> None:
        """Put a hold out of force."""
        self._write("DELETE FROM hold WHERE name = ?", (name,))

    def begin(self, identity: str, fields: Mapping[str, object], leaf: int | None) -> None:
        """Remember an erasure before it destroys anything, by the id of its leaf; `leaf` is that leaf's index."""
        self._write("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", (identity, _json(fields), leaf))

    def end(self, identity: str) -> None:
        """Forget an erasure whose keys are destroyed."""
        self._write("DELETE FROM pending WHERE id = ?", (identity,))

    def pending(self) -> list[tuple[str, dict[str, object], int | None]]:
        """Return the erasures that began and did not end: id, fields and index of the leaf, if it has one already."""
        with _told(self._path):
            rows = self._database.execute("SELECT id, said, leaf FROM pending ORDER BY id").fetchall()
        return [(str(identity), json.loads(said), leaf) for identity, said, leaf in rows]

    def _said(self, query: str) -> list[dict[str, object]]:
        with _told(self._path):
            return [json.loads(said) for (said,) in self._database.execute(query).fetchall()]

    def _write(self, statement: str, values: tuple[str | int | None, ...]) -> None:
        with _told(self._path):
            self._database.execute(statement, values)


def _hold(said: Mapping[str, object]) -> Hold:
    texts = {name: value for name, value in said.items() if isinstance(value, str)}
    return Hold(**texts)


def _json(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, sort_keys=True)


@contextmanager
def _told(path: Path) -> Generator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        message = f"{path}: {error}; nothing was erased. Repair the disk, then run `tally audit verify`"
        raise TallyError(code="unavailable", message=message) from error
