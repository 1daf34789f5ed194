"""One SQLite file per server: opened, given its tables, seeded once, and read or changed in real transactions.

A restarted server finds its file as it left it: a process killed in mid-call loses what it had not committed, no more.
"""

import json
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

SEEDED = 1  # PRAGMA user_version of a seeded file
Row = dict[str, object]


class Store:
    """A connection with rows as dictionaries. It belongs to one thread: every tool runs in the event loop."""

    def __init__(self, path: Path | str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=10.0)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._connection.execute(f"PRAGMA {pragma}")

    def prepare(self, schema: str, seed: Callable[["Store"], None]) -> None:
        """Create the tables of `schema/<schema>.sql` and fill them, once in the life of the file."""
        for name in ("calls", schema):
            self._connection.executescript((Path(__file__).parent / "schema" / f"{name}.sql").read_text("utf-8"))
        with self.transaction():
            if self.number("PRAGMA user_version") != SEEDED:
                seed(self)
                self._connection.execute(f"PRAGMA user_version = {SEEDED}")

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Return every row of a query."""
        return [dict(row) for row in self._connection.execute(sql, values)]

    def row(self, sql: str, *values: object) -> Row | None:
        """Return the first row of a query, if any."""
        return next(iter(self.rows(sql, *values)), None)

    def number(self, sql: str, *values: object) -> int:
        """Return the one integer a query yields; NULL and no row count as 0."""
        found = next(iter((self.row(sql, *values) or {}).values()), 0)
        return found if isinstance(found, int) else 0

    def write(self, sql: str, *values: object) -> int:
        """Run one statement and return the id of the row it inserted (0 if it inserted none)."""
        return self._connection.execute(sql, values).lastrowid or 0

    def write_many(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        """Run one statement once per tuple of values."""
        self._connection.executemany(sql, values)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit everything inside, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def record_call(self, tool: str, headers: Sequence[str]) -> int:
        """Note that a tool call arrived, with the names (never the values) of the HTTP headers that came along."""
        names = sorted({name.lower() for name in headers})
        sql = "INSERT INTO calls (tool, headers, authorization_present) VALUES (?, ?, ?)"
        return self.write(sql, tool, json.dumps(names), int("authorization" in names))

    def record_ending(self, call: int, outcome: str) -> None:
        """Note how the call of that sequence number ended; a call without an ending was cut off."""
        self.write("INSERT INTO call_endings (call, outcome) VALUES (?, ?)", call, outcome)

    def record_stray_credential(self, http_method: str, header: str) -> None:
        """Note that a request carried a credential that no client of this server should have."""
        self.write("INSERT INTO stray_credentials (http_method, header) VALUES (?, ?)", http_method, header)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
