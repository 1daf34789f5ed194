"""What a witness remembers: its name and keys, the logs it knows, and the newest checkpoint it has cosigned of each.

SQLite with a write-ahead log and `synchronous = FULL`: what a method has written survives a power cut once it returns.
"""

import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tallystick.audit.disk import make_directory, sync_directory, write_durably
from tallystick.audit.tlog.cosign import SEED_BYTES, SigningKey, signing_key
from tallystick.audit.tlog.merkle import EMPTY_ROOT
from tallystick.audit.tlog.message import COSIGNATURE, ED25519, ML_DSA_44
from tallystick.audit.tlog.note import NoteError, Verifier, checked_name, parse_vkeys
from tallystick.terms import TallyError

KEY_FILES: Final = {"witness-ed25519": COSIGNATURE, "witness-mldsa44": ML_DSA_44}
EVERY_YEAR: Final = "/*"
"""Ends the name of a log of which each year's is known under the same keys."""
REFUSED_LIMIT: Final = 200
"""Refused checkpoints that are kept for each log and each reason, the newest."""
_YEAR = re.compile(r"/[0-9]{4}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS witness (name TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS log (origin TEXT PRIMARY KEY, vkeys TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS seen (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, at INTEGER NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS refused (
    number INTEGER PRIMARY KEY, origin TEXT NOT NULL, at INTEGER NOT NULL, why TEXT NOT NULL,
    body TEXT NOT NULL, note TEXT NOT NULL, UNIQUE (origin, why, body)
) STRICT;
"""


class WitnessError(TallyError):
    """A witness's directory that cannot be used, or a log that it cannot be told of."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid", message)


class StorageError(TallyError):
    """What has to be remembered could not be stored: the witness must end."""

    def __init__(self, message: str) -> None:
        super().__init__("unavailable", message)


class Seen(NamedTuple):
    """The newest checkpoint of a log that was cosigned: size, root, when (whole seconds, epoch), and the note."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    at: int = 0
    note: str = ""


class Refused(NamedTuple):
    """A checkpoint that a log has signed and that this witness would not: when, why, and the note as it came."""

    origin: str
    at: int
    why: str
    note: str


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A log as it was added: its origin (or `<host>/<tenant>/*` for every year's), its keys, what was seen of it."""

    origin: str
    verifiers: tuple[Verifier, ...]


class WitnessState:
    """An open directory of a witness. Safe for several threads; `lock` keeps a second server out."""

    def __init__(self, directory: Path) -> None:
        """Open what `create` has made; raises WitnessError or OSError."""
        if not (directory / "witness.sqlite").exists():
            raise _no_witness(directory)
        self._directory = directory
        self._lock = threading.Lock()
        self._failure: StorageError | None = None
        self._held: int | None = None
        self._database = _connect(directory)
        try:
            names = self._rows("SELECT name FROM witness")
            if not names:
                raise _no_witness(directory)
            self.name = str(names[0][0])
            self.keys = tuple(_read_key(directory / "keys" / file, kind) for file, kind in KEY_FILES.items())
        except TallyError:
            self._database.close()
            raise

    @classmethod
    def create(cls, directory: Path, name: str) -> "WitnessState":
        """Make a witness of this name with new keys; raises WitnessError where there is one."""
        checked_name(name)
        keys = directory / "keys"
        make_directory(keys)
        keys.chmod(0o700)
        for file in KEY_FILES:
            if not (keys / file).exists():
                write_durably(keys / file, os.urandom(SEED_BYTES), 0o600)
        sync_directory(keys)
        # The name goes last, in one statement: without it there is no witness yet, whatever a crash has left.
        insert = "INSERT INTO witness SELECT ? WHERE NOT EXISTS (SELECT name FROM witness)"
        with closing(_connect(directory)) as database:
            made = database.execute(insert, (name,)).rowcount
        if not made:
            message = f"{directory} holds a witness already: `tally witness show` prints its keys"
            raise WitnessError(message)
        return cls(directory)

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """Public sides of the witness's keys."""
        return tuple(key.verifier(self.name) for key in self.keys)

    def lock(self) -> None:
        """Keep every other server out of this directory until it is closed; raises WitnessError."""
        held = os.open(self._directory / "witness.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(held)
            message = f"another witness serves {self._directory}"
            raise WitnessError(message) from error
        self._held = held

    def add_log(self, vkeys: str, *, every_year: bool = False) -> KnownLog:
        """Know a log by the keys of its `vkey` file, from now on these and no others; what was seen of it stays."""
        verifiers = parse_vkeys(vkeys)
        origins = {verifier.name for verifier in verifiers}
        if len(origins) != 1 or any(verifier.kind not in {ED25519, ML_DSA_44} for verifier in verifiers):
            message = "these are not the keys of one log: they have one name, and the types 0x01 and 0x06"
            raise WitnessError(message)
        (origin,) = origins
        if every_year:
            if not _YEAR.fullmatch(origin[-5:]):
                message = f"{origin} does not end with a year"
                raise WitnessError(message)
            origin = origin[:-5] + EVERY_YEAR
        text = "".join(f"{verifier.vkey}\n" for verifier in verifiers)
        self._rows("INSERT OR REPLACE INTO log VALUES (?, ?)", origin, text)
        return KnownLog(origin, verifiers)

    def logs(self) -> list[KnownLog]:
        """Every log that was added."""
        rows = self._rows("SELECT origin, vkeys FROM log ORDER BY origin")
        return [KnownLog(str(origin), parse_vkeys(str(vkeys))) for origin, vkeys in rows]

    def keys_of(self, origin: str) -> tuple[Verifier, ...]:
        """Keys that may sign checkpoints of this origin; empty when it is not known."""
        if origin.endswith(EVERY_YEAR):
            return ()
        names = [origin, origin[:-5] + EVERY_YEAR] if _YEAR.fullmatch(origin[-5:]) else [origin]
        for name in names:
            for (vkeys,) in self._rows("SELECT vkeys FROM log WHERE origin = ?", name):
                return tuple(Verifier(origin, one.key, one.kind) for one in parse_vkeys(str(vkeys)))
        return ()

    def seen(self, origin: str) -> Seen:
        """The newest checkpoint of a log that was cosigned; an empty tree where there is none."""
        for size, root, at, note in self._rows("SELECT size, root, at, note FROM seen WHERE origin = ?", origin):
            if isinstance(size, int) and isinstance(root, bytes) and isinstance(at, int):
                return Seen(size, root, at, str(note))
        return Seen()

    def origins(self) -> list[str]:
        """Origins of which a checkpoint was cosigned."""
        return [str(origin) for (origin,) in self._rows("SELECT origin FROM seen ORDER BY origin")]

    def advance(self, origin: str, old: Seen, new: Seen) -> bool:
        """Remember `new` if `old` is what is remembered now; durable when it returns True."""
        # INVARIANT: one statement both checks and stores, so no other request, thread or process comes in between.
        changed = self._rows(
            "INSERT INTO seen VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (origin) DO UPDATE SET "
            "size = ?2, root = ?3, at = ?4, note = ?5 WHERE size = ?6 AND root = ?7 AND size <= ?2 RETURNING origin",
            origin, *new, old.size, old.root,
        )  # fmt: skip
        return bool(changed)

    def refuse(self, refused: Refused) -> None:
        """Keep a checkpoint that was refused: with the log's signature under it, it may prove what the log did."""
        body = refused.note.partition("\n\n")[0]
        self._rows("INSERT OR IGNORE INTO refused (origin, at, why, note, body) VALUES (?, ?, ?, ?, ?)", *refused, body)
        self._rows(
            "DELETE FROM refused WHERE origin = ?1 AND why = ?2 AND number <= "
            "(SELECT number FROM refused WHERE origin = ?1 AND why = ?2 ORDER BY number DESC LIMIT 1 OFFSET ?3)",
            refused.origin, refused.why, REFUSED_LIMIT,
        )  # fmt: skip

    def refusals(self) -> list[Refused]:
        """What was refused, oldest first."""
        rows = self._rows("SELECT origin, at, why, note FROM refused ORDER BY number")
        return [Refused(str(origin), int(str(at)), str(why), str(note)) for origin, at, why, note in rows]

    def close(self) -> None:
        """Close the database, and let another server in."""
        self._database.close()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _rows(self, query: str, *values: object) -> Sequence[tuple[object, ...]]:
        with self._lock:
            if self._failure is not None:
                raise self._failure
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.Error as error:
                # INVARIANT: the first failed write is the last one. Nobody knows what the disk holds after it; only a
                # new process that reads it back may go on.
                self._failure = StorageError(f"the witness's database failed: {error}")
                raise self._failure from error


def _no_witness(directory: Path) -> WitnessError:
    return WitnessError(f"{directory} holds no witness; make one with `tally witness init`")


def _connect(directory: Path) -> sqlite3.Connection:
    database = sqlite3.connect(directory / "witness.sqlite", isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(_SCHEMA)
    return database


def _read_key(path: Path, kind: int) -> SigningKey:
    try:
        return signing_key(kind, path.read_bytes())
    except (OSError, ValueError, NoteError) as error:
        message = f"the witness's key {path} cannot be used: {error}; restore it from a backup"
        raise WitnessError(message) from error
