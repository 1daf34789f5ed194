"""One connection to PostgreSQL: what must hold of the server, the tables, and what a lost connection means.

A commit whose answer was lost is no failed sync: the database can be asked what it holds. So a lost connection is made
anew for a bounded time and the question is put (`certain`); only what stays unanswered is an error.

Never a statement timeout on a commit: cancelling the wait for a synchronous replica reports success.
"""

import threading
from collections.abc import Callable, Sequence
from errno import EIO
from time import monotonic
from typing import Final, TypeVar

import psycopg

_SAFE: Final = {"fsync": {"on"}, "full_page_writes": {"on"}, "synchronous_commit": {"on", "remote_apply"}}
"""Settings without which an acknowledged commit may be lost in a power cut."""
_CONNECT: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_LOCK_MS: Final = 5_000
_SCRIPT_LOCK: Final = 0x7A11
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS lease (
    tenant text PRIMARY KEY, holder text NOT NULL, told text NOT NULL, token bigint NOT NULL, until timestamptz NOT NULL
) WITH (fillfactor = 20);
CREATE TABLE IF NOT EXISTS log (
    log text PRIMARY KEY, tenant text NOT NULL, year int NOT NULL, origin text NOT NULL, body text NOT NULL,
    time_us bigint NOT NULL, opened text NOT NULL, ready boolean NOT NULL,
    kept text NOT NULL DEFAULT ''
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS head (log text PRIMARY KEY REFERENCES log, appended bigint NOT NULL) WITH (fillfactor = 20);
CREATE TABLE IF NOT EXISTS journal (
    log text NOT NULL REFERENCES log, first bigint NOT NULL, past bigint NOT NULL, batch bytea NOT NULL,
    PRIMARY KEY (log, first), CHECK (past > first)
);
ALTER TABLE journal ALTER batch SET STORAGE EXTERNAL;
"""

Value = str | bytes | int | float | bool | Sequence[str] | Sequence[int] | Sequence[str | int]
Rows = list[tuple[object, ...]]
_T = TypeVar("_T")


class LostConnection(OSError):
    """Nobody knows whether the statement was carried out."""


class Database:
    """A connection that is made again when it is lost. For one thread at a time; a lock keeps others waiting."""

    def __init__(self, dsn: str, patience_s: float) -> None:
        self._dsn = dsn
        self._patience_s = patience_s
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._connection = self._connect()

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Carry out one statement, durably; return the number of rows that it changed. Raises OSError."""
        with self._lock:
            return self._execute(statement, values)[0]

    def again(self, statement: str, values: Sequence[Value] = ()) -> None:
        """Carry out a statement that may be carried out twice. Raises OSError."""
        self.certain(lambda: self._execute(statement, values), lambda: None)

    def script(self, statements: str) -> None:
        """Carry out several statements in one transaction, one process at a time. Raises OSError."""
        with self._lock:
            self._execute(f"SELECT pg_advisory_xact_lock({_SCRIPT_LOCK}); {statements}", None)

    def rows(self, statement: str, values: Sequence[Value] = ()) -> Rows:
        """Rows of a question, which is put again after a lost connection. Raises OSError."""
        return self.certain(lambda: self._execute(statement, values)[1], lambda: None)

    def certain(self, attempt: Callable[[], _T], verdict: Callable[[], _T | None]) -> _T:
        """Make an attempt; after a lost connection return the verdict on it, or try again where that is None."""
        until = monotonic() + self._patience_s
        pause = _FIRST_PAUSE_S
        lost = False
        with self._lock:
            while True:
                try:
                    if lost:
                        self._connection = self._connect()
                        known = verdict()
                        if known is not None:
                            return known
                        lost = False
                    return attempt()
                except LostConnection:
                    lost = True
                    if monotonic() > until or self._closing.wait(pause):
                        raise
                    pause = min(2 * pause, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """End the connection."""
        self._closing.set()
        with self._lock:
            self._connection.close()

    def _execute(self, statement: str, values: Sequence[Value] | None) -> tuple[int, Rows]:
        try:
            cursor = self._connection.execute(statement.encode(), values)
            return cursor.rowcount, cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            if self._connection.closed:
                raise LostConnection(EIO, f"the database has gone: {_first_line(error)}") from error
            raise OSError(EIO, f"database: {_first_line(error)}") from error

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        try:
            connection = psycopg.connect(self._dsn, autocommit=True, application_name="tallystick", **_CONNECT)  # pyright: ignore[reportArgumentType] - keywords of libpq
            connection.execute(f"SET lock_timeout = {_LOCK_MS}".encode())
            found = {name: _shown(connection, name) for name in _SAFE}
        except psycopg.Error as error:
            raise LostConnection(EIO, f"the database cannot be reached: {_first_line(error)}") from error
        for name, allowed in _SAFE.items():
            if found[name] not in allowed:
                connection.close()
                message = f"database: {name} is {found[name]}; an acknowledged record could be lost. Set it to on"
                raise OSError(EIO, message)
        return connection


def _shown(connection: "psycopg.Connection[tuple[object, ...]]", name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
