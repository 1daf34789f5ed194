"""Leaves and logs for the tests of this room: real files, a real database, and a store that fails when told."""

import errno
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tallystick import audit
from tallystick.audit.log.files import DirectoryStore, State
from tallystick.audit.log.journal import Segment
from tallystick.audit.log.log import Keep, Log, Row, Store, keep_nothing, open_log
from tallystick.audit.model import Capture, Content, Sealed
from tallystick.terms import Caller, Decision, Digest, Reason, Refusal, ServerId, TenantId, ToolId

Result = TypeVar("Result")
BANK = TenantId("bank")
ORIGIN = "localhost/bank/2026"
YEAR = 2026
NOON = 1_780_000_000.0
"""A moment in 2026, in seconds since the epoch."""

CALLER = Caller(
    subject="alice@bank.example",
    kind="person",
    tenant=BANK,
    issuer="https://idp.bank.example",
    client="desk-agent",
    authority="a" * 64,
    expires_at=NOON + 600,
    actors=("payments-agent",),
    groups=("clerks", "emea"),
)
DECISION = Decision("allow", (Reason.POLICY_ALLOWS,), ("clerks-may-read",), Digest("sha256:" + "b" * 64))
TARGET = audit.Target(
    route="/servers/core/mcp",
    method="tools/call",
    era="2026-07-28",
    server=ServerId("core"),
    tool=ToolId("accounts.list"),
    definition=Digest("sha256:" + "c" * 64),
    snapshot=Digest("sha256:" + "d" * 64),
)


def call_of(number: int) -> str:
    """ULID of a numbered call."""
    return audit.leaf.call_id(NOON, number.to_bytes(10, "big"))


def intent(number: int) -> bytes:
    """Leaf of a numbered call's intent."""
    return audit.encode(audit.Intent(call_of(number), NOON, BANK, CALLER, TARGET, DECISION, "e" * 64, 300))


def outcome(number: int, index: int) -> bytes:
    """Leaf of a numbered call's outcome, whose intent is at `index`."""
    return audit.encode(audit.Outcome(call_of(number), NOON, BANK, index, "success", 1200, 90, "f" * 64))


def denial(number: int) -> bytes:
    """Leaf of a numbered call's denial."""
    refusal = Refusal("denied", (Reason.NO_POLICY_ALLOWS,), "You may not do this.")
    return audit.encode(audit.Denial(call_of(number), NOON, BANK, TARGET, refusal, 300))


def capture(number: int, size: int = 100) -> Capture:
    """What is kept with the leaves of a numbered call: one payload of its own, of a subject that others share."""
    return Capture(f"{number % 7:064x}", "standard", (Content("args", payload(number, size)),))


def payload(number: int, size: int = 100) -> bytes:
    """Content of the payload of a numbered call, in clear."""
    return (f"payload {number} ".encode() * size)[:size]


class Ticking:
    """A clock that moves on by a millisecond each time it is read."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        self.now += 0.001
        return self.now


class Failing:
    """A real store whose n-th write fails: before it happened, or after it happened but before it was reported.

    With `torn` half of it happens, where a write has halves. `keep` is where payloads are kept, and counts as a write.
    """

    def __init__(
        self, store: Store, at: int = -1, *, stored: bool = False, torn: bool = False, keep: Keep = keep_nothing
    ) -> None:
        self._store = store
        self._at = at
        self._stored = stored
        self._torn = torn
        self._keep = keep
        self.writes: list[str] = []

    def _write(self, name: str, write: Callable[[], Result], half: Callable[[], object] | None = None) -> Result:
        fails = len(self.writes) == self._at
        self.writes.append(name)
        if fails and self._torn and half is not None:
            half()
        if fails and not self._stored:
            raise OSError(errno.ENOSPC, f"{name} failed")
        result = write()
        if fails:
            raise OSError(errno.EIO, f"{name} was stored, but failed")
        return result

    def keep(self, sealed: Sequence[Sealed]) -> None:
        """Keep or fail."""
        self._write("keep", lambda: self._keep(sealed), lambda: self._keep(sealed[: len(sealed) // 2]))

    def read(self, path: str) -> bytes | None:
        """Read for real."""
        return self._store.read(path)

    def segments(self) -> list[Segment]:
        """Read for real."""
        return self._store.segments()

    def row(self) -> Row | None:
        """Read for real."""
        return self._store.row()

    def put(self, path: str, content: bytes) -> None:
        """Write or fail."""
        self._write(f"put {path}", lambda: self._store.put(path, content), lambda: self._tear(path, content))

    def _tear(self, path: str, content: bytes) -> None:
        self._store.put(path, content[: len(content) // 2])
        self._store.settle()

    def settle(self) -> None:
        """Write or fail."""
        self._write("settle", self._store.settle)

    def show(self, body: str, name: str = "checkpoint") -> None:
        """Write or fail."""
        self._write(f"show {name}", lambda: self._store.show(body, name))

    def journal(self, batch: bytes) -> None:
        """Write or fail."""
        self._write(
            "journal", lambda: self._store.journal(batch), lambda: self._store.journal(batch[: len(batch) // 2])
        )

    def rotate(self, first: int, size: int) -> None:
        """Write or fail."""
        self._write("rotate", lambda: self._store.rotate(first, size))

    def prepare(self, size: int) -> None:
        """Write or fail."""
        self._write("prepare", lambda: self._store.prepare(size))

    def truncate(self, segment: Segment, length: int) -> None:
        """Write or fail."""
        self._write("truncate", lambda: self._store.truncate(segment, length))

    def forget(self, size: int) -> None:
        """Write or fail."""
        self._write("forget", lambda: self._store.forget(size))

    def swap(self, old: str, new: Row) -> bool:
        """Write or fail."""
        return self._write("swap", lambda: self._store.swap(old, new))


@contextmanager
def opened_state(directory: Path) -> Generator[State]:
    """State directory with one empty log, created at the first opening."""
    state = State(directory, initialize=True)
    try:
        if not state.logs():
            state.create(BANK, YEAR, ORIGIN, int(NOON * 1_000_000) - 1)
        yield state
    finally:
        state.close()


def opened_log(state: State, clock: Ticking | None = None) -> Log:
    """The log of `opened_state`."""
    return open_log(stored(state), state.signing, ORIGIN, BANK, clock or Ticking())


def stored(state: State) -> DirectoryStore:
    """The store of `opened_state`'s log."""
    return state.store(BANK, YEAR)


def log_directory(directory: Path) -> Path:
    """Where the files of that log are."""
    return directory / "audit" / BANK / str(YEAR)


def newest_segment(directory: Path) -> Path:
    """The journal's segment that was written last."""
    return max(path for path in (log_directory(directory) / "journal").iterdir() if path.name.isdecimal())


def verified(directory: Path) -> audit.offline.Report:
    """Verify that log with its own key."""
    where = log_directory(directory)
    return audit.offline.verify_log(where, audit.offline.read_vkey(where))


def leaves_of(directory: Path) -> list[bytes]:
    """Every published leaf of that log."""
    where = log_directory(directory)
    return [leaf for _, leaf in audit.offline.read_leaves(where, range(audit.offline.size_of(where)))]
