"""What one sink has taken: a cursor per log, and what it refused. SQLite, synced at each commit.

INVARIANT: a cursor moves forward only after the sink has confirmed everything before it, and in the same transaction in
which whatever was refused is put aside: a kill at any point sends again, and never skips.
"""

import fcntl
import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from tallystick.audit import database, offline
from tallystick.export.model import Place, Refused
from tallystick.terms import TallyError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS cursor (
    tenant TEXT NOT NULL, year INTEGER NOT NULL, origin TEXT NOT NULL, next INTEGER NOT NULL, size INTEGER NOT NULL,
    root BLOB NOT NULL, vkeys TEXT NOT NULL, beat INTEGER NOT NULL, PRIMARY KEY (tenant, year)
) STRICT;
CREATE TABLE IF NOT EXISTS trouble (
    tenant TEXT NOT NULL, year INTEGER NOT NULL, told TEXT NOT NULL, PRIMARY KEY (tenant, year)
) STRICT;
CREATE TABLE IF NOT EXISTS aside (
    tenant TEXT NOT NULL, year INTEGER NOT NULL, idx INTEGER NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL, again INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (tenant, year, idx)
) STRICT;
CREATE TABLE IF NOT EXISTS condition (
    one INTEGER PRIMARY KEY CHECK (one = 1), failing TEXT, since REAL NOT NULL, clean INTEGER NOT NULL
) STRICT;
"""


class Cursor(NamedTuple):
    """How far a sink is in one log: the next index, the checkpoint that was believed, the keys that may sign one.

    `beat` is the index of the last heartbeat that was read, or -1.
    """

    next: int
    checkpoint: offline.Checkpoint
    vkeys: tuple[str, ...]
    beat: int = -1


@dataclass(frozen=True, slots=True)
class Aside:
    """An event that a sink refused for good, by the reference of its leaf."""

    place: Place
    index: int
    origin: str
    reason: str
    at: float
    again: bool


class Condition(NamedTuple):
    """Whether deliveries fail at the moment, why, and since when."""

    failing: str | None
    since: float


def ledger_path(state: Path, sink: str) -> Path:
    """Where the ledger of a sink is."""
    return state / "export" / f"{sink}.sqlite"


@contextmanager
def held(state: Path, sink: str) -> Generator[None]:
    """Be the only follower of a sink; raises `TallyError` when there is another."""
    directory = state / "export"
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    lock = os.open(directory / f"{sink}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        message = f"another process follows the record for sink {sink}; stop it first"
        raise TallyError(code="conflict", message=message) from error
    finally:
        os.close(lock)


class Ledger:
    """The open ledger of one sink. One thread at a time; other processes may read it and ask for replays."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        path.chmod(0o600)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)

    @classmethod
    def existing(cls, state: Path, sink: str) -> "Ledger":
        """Open the ledger of a sink that was followed before; raises `TallyError` where there is none."""
        path = ledger_path(state, sink)
        if not path.exists():
            message = f"nothing was ever followed for sink {sink} with the state directory {state}"
            raise TallyError(code="not_found", message=message)
        return cls(path)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def places(self) -> list[Place]:
        """Logs that were followed, in their order."""
        rows = self._database.execute("SELECT tenant, year FROM cursor ORDER BY tenant, year").fetchall()
        return [Place(str(tenant), int(year)) for tenant, year in rows]

    def cursor(self, place: Place) -> Cursor | None:
        """How far the sink is in a log; None for one that was never followed."""
        query = "SELECT next, origin, size, root, vkeys, beat FROM cursor WHERE tenant = ? AND year = ?"
        row = self._database.execute(query, place).fetchone()
        if row is None:
            return None
        following, origin, size, root, vkeys, beat = row
        checkpoint = offline.Checkpoint(str(origin), int(size), bytes(root))
        return Cursor(int(following), checkpoint, tuple(str(vkeys).split("\n")), int(beat))

    def begin(self, place: Place, checkpoint: offline.Checkpoint, vkeys: Sequence[str], first: int = 0) -> None:
        """Start to follow a log whose keys are trusted from now on."""
        values = (*place, checkpoint.origin, first, checkpoint.size, checkpoint.root, "\n".join(vkeys))
        self._database.execute("INSERT OR IGNORE INTO cursor VALUES (?, ?, ?, ?, ?, ?, ?, -1)", values)

    def advance(self, place: Place, old: Cursor, new: Cursor, refused: Sequence[Refused], at: float) -> bool:
        """Move a cursor on and put aside what was refused; False when somebody moved it meanwhile."""
        update = (
            "UPDATE cursor SET next = ?, origin = ?, size = ?, root = ?, vkeys = ?, beat = ?"
            " WHERE tenant = ? AND year = ? AND next = ?"
        )
        origin, size, root = new.checkpoint.origin, new.checkpoint.size, new.checkpoint.root
        with database.transaction(self._database):
            values = (new.next, origin, size, root, "\n".join(new.vkeys), new.beat, *place, old.next)
            moved = self._database.execute(update, values).rowcount == 1
            for entry in refused:
                values = (*place, entry.index, origin, entry.reason[:2000], at)
                self._database.execute("INSERT OR REPLACE INTO aside VALUES (?, ?, ?, ?, ?, ?, 0)", values)
        return moved

    def trouble(self, place: Place) -> str | None:
        """Why a log is not followed any further at the moment; None while it is."""
        row = self._database.execute("SELECT told FROM trouble WHERE tenant = ? AND year = ?", place).fetchone()
        return None if row is None else str(row[0])

    def complain(self, place: Place, told: str | None) -> None:
        """Note why a log is not followed any further, or that it is again."""
        known = self.trouble(place)
        if told is None and known is not None:
            self._database.execute("DELETE FROM trouble WHERE tenant = ? AND year = ?", place)
        elif told is not None and told != known:
            self._database.execute("INSERT OR REPLACE INTO trouble VALUES (?, ?, ?)", (*place, told))

    def replay(self, place: Place, index: int) -> bool:
        """Have everything from `index` on sent again (or skip to it); False when the log was never followed."""
        update = "UPDATE cursor SET next = ? WHERE tenant = ? AND year = ?"
        return self._database.execute(update, (index, *place)).rowcount == 1

    def trust(self, place: Place, vkeys: Sequence[str]) -> None:
        """Believe these keys of a log from now on, and no others."""
        update = "UPDATE cursor SET vkeys = ? WHERE tenant = ? AND year = ?"
        if self._database.execute(update, ("\n".join(vkeys), *place)).rowcount == 0:
            # A key's name is the origin of its log.
            origin = vkeys[0].partition("+")[0] if vkeys else ""
            self.begin(place, offline.Checkpoint(origin, 0, sha256(b"").digest()), vkeys)

    def rewind(self, records: int) -> None:
        """Go back by so many records in each log."""
        if records:
            self._database.execute("UPDATE cursor SET next = max(0, next - ?)", (records,))

    def aside(self, *, again: bool = False) -> list[Aside]:
        """What was refused, oldest first; with `again`, only what is to be tried once more."""
        query = "SELECT tenant, year, idx, origin, reason, at, again FROM aside"
        query += " WHERE again = 1" if again else ""
        rows = self._database.execute(f"{query} ORDER BY tenant, year, idx").fetchall()
        return [
            Aside(Place(tenant, year), index, origin, reason, at, bool(marked))
            for tenant, year, index, origin, reason, at, marked in rows
        ]

    def try_again(self, index: int | None = None) -> int:
        """Mark what was refused (all, or one index) to be tried once more; how many were marked."""
        if index is None:
            return self._database.execute("UPDATE aside SET again = 1").rowcount
        return self._database.execute("UPDATE aside SET again = 1 WHERE idx = ?", (index,)).rowcount

    def settle(self, entry: Aside, reason: str | None, at: float) -> None:
        """Forget what was taken after all (`reason` None), or note why it was refused again."""
        if reason is None:
            gone = "DELETE FROM aside WHERE tenant = ? AND year = ? AND idx = ?"
            self._database.execute(gone, (*entry.place, entry.index))
        else:
            kept = "UPDATE aside SET reason = ?, at = ?, again = 0 WHERE tenant = ? AND year = ? AND idx = ?"
            self._database.execute(kept, (reason[:2000], at, *entry.place, entry.index))

    def condition(self) -> Condition | None:
        """How deliveries go; None before the first one."""
        row = self._database.execute("SELECT failing, since FROM condition").fetchone()
        return None if row is None else Condition(row[0], float(row[1]))

    def say(self, failing: str | None, at: float) -> None:
        """Note whether deliveries fail; `since` stays while that does not change."""
        known = self.condition()
        if known is not None and known.failing == failing:
            return
        since = known.since if known is not None and known.failing and failing else at
        upsert = (
            "INSERT INTO condition VALUES (1, ?, ?, 0) ON CONFLICT (one)"
            " DO UPDATE SET failing = excluded.failing, since = excluded.since"
        )
        self._database.execute(upsert, (failing, since))

    def open_run(self) -> bool:
        """Note that a run begins; True when the last one did not end as it should."""
        row = self._database.execute("SELECT clean FROM condition").fetchone()
        self._database.execute("UPDATE condition SET clean = 0")
        return row is not None and not row[0]

    def close_run(self) -> None:
        """Note that a run ends as it should, with nothing failing."""
        self._database.execute("UPDATE condition SET clean = failing IS NULL")
