"""Which payloads of a log are there, which were erased or have expired, and which are missing without a reason.

No key is needed: a stored record names, in clear and bound to its ciphertext, the hash of the leaf that it goes with.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, NamedTuple

import msgspec

from tallystick.audit.offline.content.story import LISTED, Story
from tallystick.audit.offline.read import is_items
from tallystick.audit.payload import read_records
from tallystick.audit.tlog.merkle import leaf_hash

State = Literal["present", "erased", "expired", "missing"]
_MONTH: Final = len("2026-11")
_MARK: Final = b'"kept":['
_SCHEMA: Final = "CREATE TABLE stored (leaf TEXT, field TEXT, PRIMARY KEY (leaf, field)) WITHOUT ROWID"


class Forgotten(NamedTuple):
    """An erasure leaf: where it stands, and which payloads it covers (those of leaves before it)."""

    year: int
    number: int
    expired: bool
    subject: str | None
    classes: frozenset[str]
    before: str
    pruned: tuple[tuple[int, int, int], ...] = ()

    # `pruned`: (year, first, last) of leaves that were removed themselves.

    @property
    def name(self) -> str:
        """How the leaf is named to people."""
        return f"leaf {self.number} of {self.year}"


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload that is not there any more: of which leaf, which field, and the leaf that says why."""

    index: int
    field: str
    state: State
    under: str


class Kept(NamedTuple):
    """Number of payloads by state, and the first of those that are erased or expired."""

    counted: Mapping[str, int]
    gone: tuple[Payload, ...]


class _Range(msgspec.Struct):
    year: int
    first: int
    last: int


class _Keeping(msgspec.Struct):
    kept: list[str] = []
    subject: str = ""
    retention: str = ""
    ts: str = ""


def forgotten(told: Iterable[tuple[int, Mapping[str, object]]], year: int) -> list[Forgotten]:
    """The erasure leaves among those of a log."""
    found: list[Forgotten] = []
    for index, fields in told:
        if fields["kind"] == "erasure":
            classes, subject = fields["classes"], fields.get("subject")
            found.append(
                Forgotten(
                    year,
                    index,
                    fields["action"] == "expire",
                    None if subject is None else str(subject),
                    frozenset(str(name) for name in classes) if is_items(classes) else frozenset(),
                    str(fields.get("before", "")),
                    _pruned(fields),
                )
            )
    return found


def _pruned(fields: Mapping[str, object]) -> tuple[tuple[int, int, int], ...]:
    """Ranges of the leaves that an expiry without classes has removed."""
    if fields["action"] != "expire" or fields["classes"] or "ranges" not in fields:
        return ()
    ranges = msgspec.convert(fields["ranges"], list[_Range])
    return tuple((one.year, one.first, one.last) for one in ranges)


def check_kept(
    leaves: Iterable[tuple[int, str, bytes]], year: int, erasures: list[Forgotten], root: Path, story: Story
) -> Kept:
    """Look for the payload of every leaf that says it is kept. `leaves`: (index, file, leaf), verified.

    `root` is a tenant's payload directory. Damage is noted in the story. Raises OSError.
    """
    counted: Counter[str] = Counter()
    gone: list[Payload] = []
    # On disk, so that a log of any size is checked in bounded memory.
    with TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "stored")) as stored:
        _index(stored, root, story)
        for index, file, leaf in leaves:
            if _MARK not in leaf:
                continue
            fields = msgspec.json.decode(leaf, type=_Keeping)
            digest = leaf_hash(leaf).hex()
            for name in fields.kept:
                under = _covering(fields, (year, index), erasures)
                state = _state(stored, digest, name, under)
                counted[state] += 1
                if under is not None and len(gone) < LISTED:
                    gone.append(Payload(index, name, state, under.name))
                elif state == "missing":
                    story.blame(file, index, f"its payload {name} is missing or was changed, and no leaf says why")
    return Kept(dict(counted), tuple(gone))


def _state(stored: sqlite3.Connection, digest: str, field: str, under: Forgotten | None) -> State:
    if under is not None:
        return "expired" if under.expired else "erased"
    found = stored.execute("SELECT 1 FROM stored WHERE leaf = ? AND field = ?", (digest, field)).fetchone()
    return "present" if found else "missing"


def _covering(fields: _Keeping, at: tuple[int, int], erasures: list[Forgotten]) -> Forgotten | None:
    for one in erasures:
        if at < (one.year, one.number) and fields.retention in one.classes:
            # Whole months expire (payload.segments).
            if one.expired and fields.ts[:_MONTH] < one.before[:_MONTH]:
                return one
            if not one.expired and one.subject == fields.subject:
                return one
    return None


def _index(stored: sqlite3.Connection, root: Path, story: Story) -> None:
    stored.execute("PRAGMA synchronous = OFF")
    stored.execute(_SCHEMA)
    stored.executemany("INSERT OR IGNORE INTO stored VALUES (?, ?)", _records(root, story))


def _records(root: Path, story: Story) -> Iterator[tuple[str, str]]:
    for record in read_records(root):
        if record.header is None:
            where = record.path.relative_to(root).as_posix() if record.path.is_relative_to(root) else str(record.path)
            text = f"{record.length} bytes at {record.offset} are no payload"
            if record.offset + record.length < record.path.stat().st_size:
                story.blame(f"payload {where}", None, text)
            else:
                # What a crash cut short was never promised to anybody. A payload that was is missed by its leaf.
                story.find("payload", None, f"{where}: {text}: cut short by a crash, and cut off at the next start")
        elif record.header.retention == record.retention:
            yield record.header.leaf, record.header.field
