"""Files and database of the logs under one state directory: the only place of this room that writes to disk.

Trust: whoever can write the database and hold the signing key can fork a log; whoever can only write the files can
destroy or hold back, but not forge. The flock keeps a second process out; the compare-and-swap holds even without it.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from errno import EIO, ENOSPC
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from tallystick.audit.disk import make_directory, sync_directory, write_durably
from tallystick.audit.log.journal import Segment
from tallystick.audit.log.log import FIRST_SEGMENT_BYTES, Row
from tallystick.audit.model import Unwritable
from tallystick.audit.signing import Signers, load_signers
from tallystick.audit.tlog.merkle import EMPTY_ROOT
from tallystick.audit.tlog.note import Checkpoint
from tallystick.audit.tlog.tiles import tile_path, widths

_KEY_BYTES = 32
_PREPARED, _DRAFT = "next", "new"
"""Names of journal files that are not segments yet: they hold nothing, and whatever a crash leaves is overwritten."""
_ZEROS = bytes(1 << 20)
_LOOK_BACK = 64
"""Newest complete tiles whose incomplete forerunners are looked for: older ones are gone, or only waste."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    log TEXT PRIMARY KEY, origin TEXT NOT NULL, body TEXT NOT NULL, time_us INTEGER NOT NULL, opened TEXT NOT NULL,
    ready INTEGER NOT NULL, digest TEXT
) STRICT
"""
_UPGRADE = "ALTER TABLE log ADD COLUMN digest TEXT"
"""Rows of earlier releases have no digest until their first checkpoint after the upgrade."""


@contextmanager
def _as_os_error() -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(EIO, f"database: {error}") from error


def _fill(path: Path, size: int) -> int:
    """Make a file of zeros, durably, and return its descriptor. Writing them is the point: holes would be no faster."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        written = sum([os.pwrite(descriptor, _ZEROS[: size - at], at) for at in range(0, size, len(_ZEROS))])
        os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    if written != size:
        os.close(descriptor)
        raise OSError(ENOSPC, f"short write to {path}: {written} of {size} bytes")
    return descriptor


class DirectoryStore:
    """A log's files under `root` and its row in the database."""

    def __init__(self, root: Path, database: sqlite3.Connection, name: str) -> None:
        self._root = root
        self._database = database
        self._name = name
        self._unsettled: set[Path] = set()
        self._journal: int | None = None
        self._written = 0
        self._prepared: int | None = None
        self._forgotten = 0

    def read(self, path: str) -> bytes | None:
        """Content of a file, or None."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, path: str, content: bytes) -> None:
        """Store a file for ever, read-only."""
        target = self._root / path
        known = self.read(path)
        if known is None:
            make_directory(target.parent)
            write_durably(target, content, 0o444)
        elif known != content:
            raise FileExistsError(None, f"{path} exists with other content")
        self._unsettled.add(target.parent)

    def settle(self) -> None:
        """Sync the directories of stored files."""
        for directory in self._unsettled:
            sync_directory(directory)
        self._unsettled.clear()

    def show(self, body: str, name: str = "checkpoint") -> None:
        """Replace a file that changes."""
        write_durably(self._root / name, body.encode(), 0o644)
        sync_directory(self._root)

    def journal(self, batch: bytes) -> None:
        """Write behind the last batch and sync."""
        if self._journal is None:
            raise OSError(EIO, "no journal segment is open")
        written = os.pwrite(self._journal, batch, self._written)
        if written != len(batch):
            raise OSError(EIO, f"short write to the journal: {written} of {len(batch)} bytes")
        os.fdatasync(self._journal)
        self._written += written

    def rotate(self, first: int, size: int) -> None:
        """Start a segment: the prepared one, or a new one; one of the same name holds nothing and is replaced."""
        directory = self._root / "journal"
        fresh, beside = self._prepared, directory / _PREPARED
        if fresh is None or os.fstat(fresh).st_size != size:
            beside = directory / _DRAFT
            fresh = _fill(beside, size)
        else:
            self._prepared = None
        if self._journal is not None:
            os.close(self._journal)
        self._journal, self._written = fresh, 0
        beside.rename(directory / f"{first:020d}")
        sync_directory(directory)

    def prepare(self, size: int) -> None:
        """Fill the segment that comes next."""
        if self._prepared is not None:
            os.close(self._prepared)
        self._prepared = _fill(self._root / "journal" / _PREPARED, size)

    def segments(self) -> list[Segment]:
        """Read the whole journal, oldest first."""
        return [Segment(int(path.name), path.read_bytes()) for path in self._segment_paths()]

    def truncate(self, segment: Segment, length: int) -> None:
        """Cut a segment and sync it."""
        with (self._root / "journal" / f"{segment.first:020d}").open("r+b") as file:
            file.truncate(length)
            os.fsync(file.fileno())

    def forget(self, size: int) -> None:
        """Remove segments that tiles replace, and incomplete tiles that complete ones replace; a crash leaves waste."""
        paths = self._segment_paths()
        for path, later in pairwise(paths):
            if int(later.name) <= size:
                path.unlink()
        for level in (None, *range(len(widths(size)))):
            shift = 8 * ((level or 0) + 1)
            for number in range(max(self._forgotten >> shift, (size >> shift) - _LOOK_BACK), size >> shift):
                self._drop_partials(self._root / (tile_path(level, number) + ".p"))
        self._forgotten = size

    def row(self) -> Row | None:
        """Trusted state of the log."""
        with _as_os_error():
            found = self._database.execute(
                "SELECT body, time_us, opened, digest FROM log WHERE log = ?", (self._name,)
            ).fetchone()
        if found is None:
            return None
        body, time_us, opened, digest = found
        if digest is not None and digest != _digest(self._name, body, time_us, opened):
            raise OSError(EIO, f"database: the row of {self._name} is damaged: its digest is another")
        try:
            return Row(str(body), int(time_us), {int(index): str(call) for index, call in json.loads(opened).items()})
        except (ValueError, AttributeError) as error:
            raise OSError(EIO, f"database: the row of {self._name} is damaged") from error

    def swap(self, old: str, new: Row) -> bool:
        """Compare and swap; durable when it returns True."""
        update = "UPDATE log SET body = ?, time_us = ?, opened = ?, digest = ? WHERE log = ? AND body = ?"
        opened = json.dumps(new.opened)
        digest = _digest(self._name, new.body, new.time_us, opened)
        with _as_os_error():
            values = (new.body, new.time_us, opened, digest, self._name, old)
            return self._database.execute(update, values).rowcount == 1

    def close(self) -> None:
        """Close the open segments."""
        for descriptor in (self._journal, self._prepared):
            if descriptor is not None:
                os.close(descriptor)
        self._journal = self._prepared = None

    def _segment_paths(self) -> list[Path]:
        directory = self._root / "journal"
        return sorted(path for path in directory.iterdir() if path.name.isdecimal()) if directory.is_dir() else []

    def _drop_partials(self, directory: Path) -> None:
        if directory.is_dir():
            for path in directory.iterdir():
                path.unlink()
            directory.rmdir()


def lock_directory(directory: Path) -> int:
    """Keep other writers off a state directory while the descriptor that is returned is open; raises Unwritable."""
    make_directory(directory)
    lock = os.open(directory / "audit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        message = f"another process writes the record in {directory}; stop it first"
        raise Unwritable(message) from error
    return lock


def open_signing(directory: Path, *, initialize: bool) -> Signers:
    """Keys of a state directory, made with `initialize` where there are none; raises OSError or ValueError."""
    commitment = directory / "keys" / "audit-commitment"
    if initialize:
        make_directory(commitment.parent)
        commitment.parent.chmod(0o700)
        if not commitment.exists():
            write_durably(commitment, os.urandom(_KEY_BYTES), 0o600)
            sync_directory(commitment.parent)
    read_commitment_key(directory)
    return load_signers(directory, initialize=initialize)


class State:
    """An open state directory: lock, database and keys. One process at a time."""

    def __init__(self, directory: Path, *, initialize: bool) -> None:
        self._directory = directory
        self._lock = lock_directory(directory)
        try:
            with _as_os_error():
                self._database = _connect(directory / "audit.sqlite", initialize=initialize)
            self.signing = open_signing(directory, initialize=initialize and not self.logs())
        except (OSError, ValueError) as error:
            os.close(self._lock)
            message = f"{directory}: {error}"
            raise Unwritable(message) from error

    def logs(self) -> dict[tuple[str, int], str]:
        """Origin of every log by tenant and year."""
        with _as_os_error():
            rows = self._database.execute("SELECT log, origin FROM log ORDER BY log").fetchall()
        names = {str(name).rpartition("/")[::2]: str(origin) for name, origin in rows}
        return {(tenant, int(year)): origin for (tenant, year), origin in names.items()}

    def store(self, tenant: str, year: int) -> DirectoryStore:
        """Store of a log that exists; finishes a creation that a crash cut short."""
        name = f"{tenant}/{year}"
        query = "SELECT origin, body, ready FROM log WHERE log = ?"
        with _as_os_error():
            found = self._database.execute(query, (name,)).fetchone()
        store = DirectoryStore(self._directory / "audit" / tenant / str(year), self._database, name)
        if found is not None and not found[2]:
            self._furnish(store, name, found[0], found[1])
        return store

    def create(self, tenant: str, year: int, origin: str, time_us: int) -> None:
        """Create an empty log; raises Unwritable when anything says that it existed before."""
        name = f"{tenant}/{year}"
        if (self._directory / "audit" / name).exists():
            message = f"{origin}: its directory exists but the database does not know it; restore the database"
            raise Unwritable(message)
        body = self.signing.sign(Checkpoint(origin, 0, EMPTY_ROOT), time_us / 1_000_000)
        # The row goes first: a crash before the directory is complete leaves `ready` at 0, and the next start goes on.
        with _as_os_error():
            digest = _digest(name, body, time_us, "{}")
            values = (name, origin, body, time_us, digest)
            self._database.execute("INSERT INTO log VALUES (?, ?, ?, ?, '{}', 0, ?)", values)
        self.store(tenant, year)

    def close(self) -> None:
        """Close the database and let the next process in."""
        self._database.close()
        os.close(self._lock)

    def _furnish(self, store: DirectoryStore, name: str, origin: str, body: str) -> None:
        root = self._directory / "audit" / name
        make_directory(root / "journal")
        write_durably(root / "vkey", self.signing.vkeys(origin).encode(), 0o644)
        store.rotate(0, FIRST_SEGMENT_BYTES)
        store.close()
        store.show(body)
        with _as_os_error():
            self._database.execute("UPDATE log SET ready = 1 WHERE log = ?", (name,))


def _digest(name: str, body: str, time_us: int, opened: str) -> str:
    """What a row must hash to: a flipped byte in it is damage, whatever it would mean. (The origin is in the body.)"""
    return sha256(json.dumps([name, body, time_us, opened]).encode()).hexdigest()


def read_commitment_key(directory: Path) -> bytes:
    """The 32-byte key behind the commitments of a state directory; raises OSError or ValueError."""
    key = (directory / "keys" / "audit-commitment").read_bytes()
    if len(key) != _KEY_BYTES:
        message = "keys/audit-commitment is not 32 bytes"
        raise ValueError(message)
    return key


def _connect(path: Path, *, initialize: bool) -> sqlite3.Connection:
    if not initialize and not path.exists():
        message = f"{path} does not exist; initialise the record first, or restore the database"
        raise OSError(message)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    path.chmod(0o600)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(_SCHEMA)
    if not any(name == "digest" for _, name, *_ in database.execute("PRAGMA table_info(log)")):
        database.execute(_UPGRADE)
    return database
