"""One log: durable appends, tiles, and a checkpoint that can only move forward.

Order of writes, and why: (1) the journal, synced, with the payloads of the leaves, then the index is acknowledged: from
here both survive a crash; (2) tiles and bundles, so that whatever a checkpoint promises is readable; (3) the payloads,
into the store that keeps them; (4) compare-and-swap of the checkpoint in the database, the one point where two writers
or a restored backup are found out; (5) the `checkpoint` file for readers; (6) the journal lets go of what is now twice
there. A crash between any two steps is repaired by `open_log` out of the journal.

`append` may run in one thread while `publish` runs in another; each must have only one user at a time.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tallystick.audit.leaf.call import glance, in_doubt
from tallystick.audit.log.journal import Segment, Tail, frame, read_tail
from tallystick.audit.model import Sealed, Unwritable
from tallystick.audit.tlog.merkle import tree_hash
from tallystick.audit.tlog.note import Checkpoint, NoteError, with_signatures
from tallystick.audit.tlog.tiles import Edge, load_edge, tile_node
from tallystick.terms import Clock, TenantId

SEGMENT_BYTES = 16 << 20
"""Bytes of a segment of a busy log."""
FIRST_SEGMENT_BYTES = 256 << 10
"""Bytes of a log's first segment after a start: a quiet log needs no more, and filling it is short."""
_GROWTH = 8


@dataclass(frozen=True, slots=True)
class Row:
    """The trusted state of a log in the database.

    `body` is the newest signed checkpoint, `time_us` its time, `opened` the call id of each open intent by index.
    """

    body: str
    time_us: int
    opened: dict[int, str]


Keep = Callable[[Sequence[Sealed]], None]
"""Makes payloads durable where they are kept; a crash may have it called again with the same. Raises OSError."""


def keep_nothing(sealed: Sequence[Sealed]) -> None:
    """Be the `Keep` of a record without payloads; raises OSError when there are some after all."""
    if sealed:
        message = f"{len(sealed)} payloads came with leaves, and there is no store for payloads"
        raise OSError(message)


class Signing(Protocol):
    """The keys that sign checkpoints now, and the ones whose signatures are trusted still."""

    def sign(self, checkpoint: Checkpoint, at: float) -> str:
        """Return the signed note of a checkpoint, signed with every current key at `at` (seconds since the epoch)."""
        ...

    def open(self, text: str, origin: str) -> Checkpoint:
        """Read a checkpoint that one of our keys has signed; raises NoteError."""
        ...

    def vkeys(self, origin: str) -> str:
        """Return the verifier keys of a log that are current, one in each line."""
        ...


class Store(Protocol):
    """Where a log keeps its bytes. Every method raises OSError when the write may not have happened."""

    def read(self, path: str) -> bytes | None:
        """Content of a file of the log, or None."""
        ...

    def put(self, path: str, content: bytes) -> None:
        """Store a file that will never change; raises FileExistsError when it exists with other content."""
        ...

    def settle(self) -> None:
        """Make the names of all files stored so far durable."""
        ...

    def show(self, body: str, name: str = "checkpoint") -> None:
        """Replace a file that changes: `checkpoint`, `cosigned` (the newest with a quorum of witnesses) or `vkey`."""
        ...

    def journal(self, batch: bytes) -> None:
        """Write behind the last batch of the newest segment and sync it."""
        ...

    def rotate(self, first: int, size: int) -> None:
        """Start the segment of leaf `first` with room for `size` bytes; a prepared one of that size is taken."""
        ...

    def prepare(self, size: int) -> None:
        """Fill a segment of `size` bytes with zeros and sync it, so that a later `rotate` need not. Beside commits."""
        ...

    def segments(self) -> list[Segment]:
        """All segments, oldest first."""
        ...

    def truncate(self, segment: Segment, length: int) -> None:
        """Cut a torn tail off a segment."""
        ...

    def forget(self, size: int) -> None:
        """Drop what a tree of `size` leaves makes needless: old segments, incomplete tiles that are complete now."""
        ...

    def row(self) -> Row | None:
        """The trusted state."""
        ...

    def swap(self, old: str, new: Row) -> bool:
        """Replace the trusted state if its body is still `old`; False when it is not."""
        ...


class _Commit(NamedTuple):
    """What one `append` made durable; `size` counts its bytes in the journal."""

    leaves: Sequence[bytes]
    owners: Sequence[int]
    sealed: Sequence[Sealed]
    size: int


class Log:
    """An open log. Made by `open_log`."""

    def __init__(self, store: Store, signing: Signing, origin: str, edge: Edge, row: Row, keep: Keep) -> None:
        self._store = store
        self._signing = signing
        self._keep = keep
        self.origin = origin
        self.year = int(origin.rpartition("/")[2])
        self._edge = edge
        self._row = row
        self._unpublished: deque[_Commit] = deque()
        self._owners: dict[int, int] = {}
        self._room = self._segment = self._prepared = 0
        self._written = self._settled = 0
        self._failure: Unwritable | None = None
        self.opened = dict(row.opened)
        self.late: set[str] = set()
        self.size = self.published = edge.size
        self.cosigned = 0
        self.clock_went_back = False

    # `published`: leaves that the checkpoint that is shown covers; other threads read it while the edge is ahead of it.
    # `opened`: call id of each open intent by index, as far as published. `late`: ids of calls that were closed as in
    # doubt in this life, so that no outcome of theirs is taken any more.

    @property
    def time(self) -> float:
        """When the newest checkpoint was made, in seconds since the epoch: no clock takes that back."""
        return self._row.time_us / 1_000_000

    @property
    def checkpoint(self) -> Checkpoint:
        """What the log commits to now."""
        return Checkpoint(self.origin, self._edge.size, self._edge.root())

    @property
    def body(self) -> str:
        """The newest checkpoint, as signed."""
        return self._row.body

    @property
    def backlog(self) -> int:
        """Bytes that were appended and are not published yet: about what they take up in memory."""
        return self._written - self._settled

    def read(self, path: str) -> bytes | None:
        """Content of a file of the log by its relative path, or None."""
        return self._store.read(path)

    def append(self, leaves: Sequence[bytes], owners: Sequence[int] = (), sealed: Sequence[Sealed] = ()) -> int:
        """Make leaves and their payloads durable, return the index of the first; raises Unwritable, and then for ever.

        `owners` are the numbers of who sent each leaf, or nothing where it does not matter.
        """
        if self._failure is not None:
            raise self._failure
        first = self.size
        batch = frame(first, leaves, sealed)
        try:
            if len(batch) > self._room:
                self._turn(first, len(batch))
            self._store.journal(batch)
        except OSError as error:
            message = f"the journal cannot be written: {error}"
            raise self._fail(message) from error
        self._room -= len(batch)
        self._written += len(batch)
        self.size = first + len(leaves)
        self._unpublished.append(_Commit(leaves, owners, sealed, len(batch)))
        return first

    def start_segment(self) -> None:
        """Start the first segment of this life; raises OSError."""
        self._turn(self.size, 0)

    def _turn(self, first: int, least: int) -> None:
        prepared = self._prepared if self._prepared >= least else 0
        self._segment = self._room = prepared or max(FIRST_SEGMENT_BYTES, least)
        self._store.rotate(first, self._segment)
        if prepared:
            self._prepared = 0

    def adopt(self, leaves: Sequence[bytes], sealed: Sequence[Sealed]) -> None:
        """Take over leaves and payloads that are in the journal already."""
        self.size += len(leaves)
        self._unpublished.append(_Commit(leaves, (), sealed, 0))

    def opened_by(self, owner: int) -> dict[int, str]:
        """Return the published intents of an owner that are open, in their order: call id by index."""
        return {index: call_id for index, call_id in self.opened.items() if self._owners.get(index) == owner}

    def publish(self, clock: Clock) -> bool:
        """Bring tiles and checkpoint up to the journal; False when nothing was new. Raises Unwritable for good."""
        if self._failure is not None:
            raise self._failure
        fresh: list[bytes] = []
        owners: list[int] = []
        sealed: list[Sealed] = []
        settled = 0
        for _ in range(len(self._unpublished)):
            commit = self._unpublished.popleft()
            fresh += commit.leaves
            owners += commit.owners or [0] * len(commit.leaves)
            sealed += commit.sealed
            settled += commit.size
        if not fresh:
            return False
        self._follow(fresh, owners)
        try:
            for path, content in self._edge.extend(fresh).items():
                self._store.put(path, content)
            self._store.settle()
            # INVARIANT: a payload is kept before the checkpoint covers its leaf, for the journal forgets both then.
            if sealed:
                self._keep(sealed)
            body = self._advance(clock)
            self._store.show(body)
            # INVARIANT: nobody hears that a leaf is published before its checkpoint is durable, and there to be read.
            self.published = self._edge.size
            self._store.forget(self._edge.size)
            self._prepare()
        except OSError as error:
            message = f"the log cannot be published: {error}"
            raise self._fail(message) from error
        self._settled += settled
        return True

    def _prepare(self) -> None:
        # A segment that is half full is soon full: the next one is filled here, so that no commit waits for it.
        if not self._prepared and self._room * 2 < self._segment:
            size = min(SEGMENT_BYTES, _GROWTH * self._segment)
            self._store.prepare(size)
            self._prepared = size

    def cosign(self, body: str, lines: Sequence[str]) -> None:
        """Show a checkpoint of ours with the signature lines of a quorum of witnesses; raises Unwritable for good."""
        if self._failure is not None:
            raise self._failure
        size = int(body.split("\n")[1])
        if size < self.cosigned:
            return
        signed = with_signatures(body, lines)
        try:
            self._store.show(signed, "cosigned")
            # INVARIANT: what is shown never goes back in size, so only the newest checkpoint is shown again.
            if body == self._row.body:
                self._store.show(signed)
        except OSError as error:
            message = f"the cosigned checkpoint cannot be shown: {error}"
            raise self._fail(message) from error
        self.cosigned = size

    def renew(self, clock: Clock) -> None:
        """Sign the newest checkpoint with the keys that are current now, and show it and them; raises Unwritable."""
        if self._failure is not None:
            raise self._failure
        try:
            self._store.show(self._signing.vkeys(self.origin), "vkey")
            self._store.show(self._advance(clock))
        except OSError as error:
            message = f"the checkpoint cannot be signed anew: {error}"
            raise self._fail(message) from error

    def _follow(self, leaves: Sequence[bytes], owners: Sequence[int]) -> None:
        for index, (leaf, owner) in enumerate(zip(leaves, owners, strict=True), self._edge.size):
            kind, intent, call_id = glance(leaf)
            if kind == "intent":
                self.opened[index] = call_id.decode()
                self._owners[index] = owner
            elif intent is not None and kind in {"outcome", "in_doubt"}:
                self.opened.pop(intent, None)
                self._owners.pop(intent, None)

    def _advance(self, clock: Clock) -> str:
        now = int(clock() * 1_000_000)
        # INVARIANT: time never runs backwards between two checkpoints, whatever the machine's clock does.
        self.clock_went_back = now <= self._row.time_us
        now = max(now, self._row.time_us + 1)
        body = self._signing.sign(self.checkpoint, now / 1_000_000)
        row = Row(body, now, dict(self.opened))
        if not self._store.swap(self._row.body, row):
            message = (
                "the checkpoint in the database is not the one this writer left: another writer, or a restored backup"
            )
            raise self._fail(message)
        self._row = row
        return body

    def _fail(self, message: str) -> Unwritable:
        # INVARIANT: the first failed write is the last one. After a failed sync nobody knows what the disk holds, and a
        # second try can succeed without having stored anything; only a new process that reads it back may go on.
        self._failure = Unwritable(f"{self.origin}: {message}; the writer has stopped, restart Tallystick to recover")
        return self._failure


def open_log(
    store: Store, signing: Signing, origin: str, tenant: TenantId, clock: Clock, keep: Keep = keep_nothing
) -> Log:
    """Recover a log: check what is stored, repair what a crash left, close what is in doubt; raises Unwritable."""
    try:
        row = store.row()
        if row is None:
            message = f"{origin}: the database knows no such log; restore it, or move the directory away"
            raise Unwritable(message)
        log = Log(store, signing, origin, _edge(store, signing, origin, row), row, keep)
        tail = _tail(store, log.published, origin)
        log.adopt(tail.leaves, tail.sealed)
        log.start_segment()
    except (OSError, NoteError, LookupError) as error:
        message = f"{origin}: cannot be opened: {error}"
        raise Unwritable(message) from error
    log.publish(clock)
    if log.opened:
        now = max(clock(), row.time_us / 1_000_000)
        log.late.update(log.opened.values())
        log.append([in_doubt(call_id, tenant, index, now) for index, call_id in sorted(log.opened.items())])
        log.publish(clock)
    # The keys were changed, and a crash came before this log showed them.
    if store.read("vkey") != signing.vkeys(origin).encode():
        log.renew(clock)
    return log


def _edge(store: Store, signing: Signing, origin: str, row: Row) -> Edge:
    trusted = signing.open(row.body, origin)
    found = store.read("checkpoint")
    if found is None:
        message = f"{origin}: the database knows this log, but its checkpoint file is gone; restore the log's directory"
        raise Unwritable(message)
    shown = signing.open(found.decode(errors="replace"), origin)
    edge = load_edge(store.read, trusted.size)
    if edge.root() != trusted.root:
        message = f"{origin}: the tiles are not those of the checkpoint in the database; restore the log's directory"
        raise Unwritable(message)
    if shown.size > trusted.size:
        message = f"{origin}: the database is older than the published checkpoint; it was restored from a backup"
        raise Unwritable(message)
    if tree_hash(shown.size, tile_node(store.read, trusted.size)) != shown.root:
        message = f"{origin}: the published checkpoint is not part of this log"
        raise Unwritable(message)
    if shown.size < trusted.size:
        store.show(row.body)
    return edge


def _tail(store: Store, size: int, origin: str) -> Tail:
    """What the journal holds past the checkpoint; cuts off a last batch that was torn, hence never acknowledged."""
    segments = store.segments()
    tail = read_tail(segments, size)
    if isinstance(tail, str):
        message = f"{origin}: the journal {tail}; restore the log's directory"
        raise Unwritable(message)
    if tail.torn_at is not None:
        store.truncate(segments[-1], tail.torn_at)
    return tail
