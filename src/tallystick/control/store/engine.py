"""Connections to the control database: SQLite (WAL, every commit synced) or PostgreSQL, behind two context managers."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from threading import Condition
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from tallystick.control.entries import Postgres, Sqlite
from tallystick.terms import TallyError

BUSY_S: Final = 30
"""Seconds that a change waits for others: fifty editors come one after the other, and a first compile takes two."""
CLOSE_S: Final = 5.0
"""Seconds that those who use a connection get to give it back when everything is closed."""
_WRITES: Final = "tallystick_writes"
_POOL: Final = 8
_OVERFLOW: Final = 24


class Database:
    """One database. Its connections are pooled; it may be used from any thread."""

    def __init__(self, place: Sqlite | Postgres) -> None:
        """Raises `TallyError` where the library of a chosen database is missing."""
        self.place = place
        self.is_postgres = isinstance(place, Postgres)
        self._engine = _postgres(place) if isinstance(place, Postgres) else _sqlite(place)
        self._users, self._closed, self._left = 0, False, Condition()

    @property
    def name(self) -> str:
        """How it is called in messages: never with a password."""
        return "the control database" if isinstance(self.place, Postgres) else str(self.place.path)

    @contextmanager
    def read(self) -> Generator[Connection]:
        """Yield a connection in a transaction that only reads; raises `TallyError` ("unavailable")."""
        with self._told(), self._in_use(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """Yield a connection whose transaction is committed at the end, or rolled back; raises `TallyError`.

        In SQLite it has the write lock from the beginning, so what it reads is what it changes.
        """
        options = {_WRITES: True}
        with (
            self._told(),
            self._in_use(),
            self._engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close every connection, once those in use have come back; nobody gets one any more."""
        with self._left:
            self._closed = True
            # Whoever waits for a change looks every moment, from a thread that nobody may wait for any longer.
            self._left.wait_for(lambda: not self._users, CLOSE_S)
        self._engine.dispose()

    @contextmanager
    def _in_use(self) -> Generator[None]:
        with self._left:
            if self._closed:
                raise TallyError(code="unavailable", message=f"{self.name} is closed")
            self._users += 1
        try:
            yield
        finally:
            with self._left:
                self._users -= 1
                self._left.notify_all()

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            message = f"{self.name} does not answer ({str(cause).strip().splitlines()[0]})"
            raise TallyError(code="unavailable", message=message) from error


def _sqlite(place: Sqlite) -> Engine:
    place.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Made before SQLite makes it, so that nobody else can ever read it.
    place.path.touch(mode=0o600)
    engine = create_engine(
        URL.create("sqlite", database=str(place.path)),
        connect_args={"timeout": BUSY_S, "isolation_level": None, "check_same_thread": False},
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
    )
    event.listen(engine, "connect", _tune)
    event.listen(engine, "begin", _begin)
    return engine


def _tune(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    """Called for each new connection."""
    del entry
    connection.execute("PRAGMA journal_mode = WAL")
    # INVARIANT: a commit is on disk before it is told. WAL alone would lose the last ones in a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    """Called at the beginning of a transaction, which SQLite's driver leaves to us."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


def _postgres(place: Postgres) -> Engine:
    try:
        import psycopg  # noqa: PLC0415 - an extra: only who has chosen PostgreSQL needs it
    except ImportError as error:
        message = "PostgreSQL as control database needs the extra `scale`: pip install 'tallystick[scale]'"
        raise TallyError(code="invalid", message=message) from error

    def connect() -> object:
        return psycopg.connect(place.dsn)

    return create_engine(
        "postgresql+psycopg://", creator=connect, pool_size=_POOL, max_overflow=_OVERFLOW, pool_pre_ping=True
    )
