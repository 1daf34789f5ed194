"""What a session has become since its id was given out: ended, a log level, subscriptions. Survives a restart (SQLite).

Written only when a client changes one of these, so no call waits for it.
"""

import sqlite3
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    key TEXT PRIMARY KEY, ended INTEGER NOT NULL, log_level TEXT, resources TEXT NOT NULL, until REAL NOT NULL
) WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?, ?)"
_GET = "SELECT ended, log_level, resources FROM session WHERE key = ?"


class Kept(NamedTuple):
    """What is kept of one session. `resources` are URIs."""

    ended: bool = False
    log_level: str | None = None
    resources: tuple[str, ...] = ()


class Store:
    """One database file, shared by the processes of one gateway."""

    def __init__(self, file: Path, now: float) -> None:
        """Open the file, or make it, and forget the sessions that are over by age."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = Lock()
        self._db = sqlite3.connect(file, timeout=5.0, isolation_level=None, check_same_thread=False)
        # FULL: an ended session stays ended even when the machine loses power.
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")
        self._db.execute("DELETE FROM session WHERE until < ?", (now,))
        # INVARIANT: what reads, on the event loop, never waits for what writes, and that waits for the disk. In WAL
        # mode a connection of its own does not, and needs no lock.
        self._reading = sqlite3.connect(file, timeout=5.0, isolation_level=None, check_same_thread=False)
        file.chmod(0o600)

    def get(self, key: str) -> Kept:
        """Return what is kept of a session; nothing was ever kept of most."""
        row = self._reading.execute(_GET, (key,)).fetchone()
        if row is None:
            return Kept()
        return Kept(bool(row[0]), row[1], tuple(msgspec.json.decode(row[2], type=list[str])))

    def put(self, key: str, kept: Kept, until: float) -> None:
        """Keep `kept`, durably, until a time in seconds since the epoch."""
        resources = msgspec.json.encode(kept.resources).decode()
        with self._lock:
            self._db.execute(_PUT, (key, int(kept.ended), kept.log_level, resources, until))

    def close(self) -> None:
        """Close the file."""
        self._reading.close()
        self._db.close()
