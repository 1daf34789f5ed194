"""A log's bytes in PostgreSQL (journal, trusted checkpoint) and in S3-compatible storage (tiles, bundles, checkpoint).

A batch of the journal is a row and a commit is one statement, which also counts the leaves (`head.appended`) and asks
for the lease: a lost, doubled or reordered batch, and a writer that was replaced, change no row.

Trust: whoever can write the database and hold the signing key can fork a log. Who can only write the bucket can neither
forge nor destroy what is locked, only hide it, and that is seen through (`Objects.read`, `mirror`).
"""

import json
from collections import deque
from collections.abc import Sequence
from errno import EIO
from struct import Struct
from typing import Final

from tallystick.audit.log.journal import Segment
from tallystick.audit.log.log import Row
from tallystick.audit.scale.bucket.uploads import Uploads
from tallystick.audit.scale.database.connection import Database, Rows
from tallystick.audit.scale.database.lease import HELD, Leases

_HEAD: Final = Struct(">4sQI")
"""What every batch starts with: magic, index of its first leaf, number of leaves."""
_BACKLOG_BYTES: Final = 48 << 20
"""Less than the writer's own bound, past which whoever appends would wait for the publisher."""
_OVERWRITTEN: Final = frozenset({"checkpoint", "cosigned", "vkey"})
_APPEND: Final = f"""
WITH {HELD}, moved AS (
    UPDATE head SET appended = %s WHERE log = %s AND appended = %s AND EXISTS (SELECT FROM held) RETURNING log
)
INSERT INTO journal SELECT log, %s, %s, %b FROM moved
"""  # noqa: S608 - a constant
_SWAP: Final = f"""
WITH {HELD} UPDATE log SET body = %s, time_us = %s, opened = %s
WHERE log = %s AND body = %s AND EXISTS (SELECT FROM held)
"""  # noqa: S608 - a constant
_FORGET: Final = f"WITH {HELD} DELETE FROM journal WHERE log = %s AND past <= %s AND EXISTS (SELECT FROM held)"  # noqa: S608 - a constant
_HOW: Final = "SELECT appended, token FROM head, lease WHERE log = %s AND tenant = %s"


class ScaleStore:
    """One log. Commits go over one connection, everything else over another, so that neither waits for the other."""

    def __init__(
        self, name: str, leases: Leases, databases: Sequence[Database], uploads: Uploads, backlog: int
    ) -> None:
        self._name = name
        self._tenant = name.partition("/")[0]
        self._token = leases.take(self._tenant)
        self._commits, self._others = databases
        self._uploads = uploads
        self._backlog = backlog
        self._published = 0
        self._waiting: deque[tuple[int, int]] = deque()
        self._waiting_bytes = 0

    def read(self, path: str) -> bytes | None:
        """Content of an object, or None."""
        return self._uploads.newest(path) if path in _OVERWRITTEN else self._uploads.read(path)

    def put(self, path: str, content: bytes) -> None:
        """Take an object in hand that will never change; `settle` stores it, and tells whether another is there."""
        self._uploads.put(path, content)

    def settle(self) -> None:
        """Store the objects."""
        self._uploads.settle()

    def show(self, body: str, name: str = "checkpoint") -> None:
        """Replace an object that changes."""
        self._uploads.show(body, name)

    def journal(self, batch: bytes) -> None:
        """Insert the batch that follows the last one; durable when it returns."""
        _, first, count = _HEAD.unpack_from(batch)
        past = first + count
        self._refuse_if_full(past, len(batch))
        values = (self._tenant, self._token, past, self._name, first, first, past, batch)
        rows = self._commits.certain(
            lambda: self._commits.run(_APPEND, values), lambda: 1 if self._stands(first, past) else None
        )
        if rows != 1:
            self._stands(first, past)
            raise OSError(EIO, "a batch that follows the last one was not taken")

    def rotate(self, first: int, size: int) -> None:
        """Nothing to do: every batch is a row."""

    def prepare(self, size: int) -> None:
        """Nothing to do: the database looks after its space."""

    def segments(self) -> list[Segment]:
        """The batches, and an empty segment where the journal ends, so that one that is missing leaves a gap."""
        question = "SELECT first, batch FROM journal WHERE log = %s ORDER BY first"
        rows = self._others.rows(question, (self._name,))
        found = [Segment(_whole(first), bytes(batch)) for first, batch in rows if isinstance(batch, bytes)]
        return [*found, Segment(self._how()[0], b"")]

    def truncate(self, segment: Segment, length: int) -> None:
        """Refuse: a row is there or not, so a torn one is damage."""
        raise OSError(EIO, f"the batch of leaf {segment.first} is damaged at byte {length}")

    def forget(self, size: int) -> None:
        """Drop batches that tiles replace, and hide incomplete tiles that are complete now."""
        self._others.again(_FORGET, (self._tenant, self._token, self._name, size))
        self._uploads.forget(size)

    def row(self) -> Row | None:
        """Trusted state of the log."""
        found = self._others.rows("SELECT body, time_us, opened FROM log WHERE log = %s", (self._name,))
        if not found:
            return None
        body, time_us, opened = found[0]
        try:
            row = Row(str(body), _whole(time_us), _calls(str(opened)))
            self._published = int(row.body.split("\n")[1])
        except (ValueError, AttributeError, IndexError) as error:
            raise OSError(EIO, f"database: the row of {self._name} is damaged") from error
        return row

    def swap(self, old: str, new: Row) -> bool:
        """Compare and swap under the lease; durable when it returns True."""
        values = (
            self._tenant, self._token, new.body, new.time_us, json.dumps(new.opened), self._name, old
        )  # fmt: skip
        swapped = self._others.certain(lambda: self._others.run(_SWAP, values), lambda: self._swapped(old, new)) == 1
        if swapped:
            self._published = int(new.body.split("\n")[1])
        return swapped

    def _refuse_if_full(self, past: int, size: int) -> None:
        """Bound what waits in memory, and in the journal, for an object store that is away."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= self._published:
            self._waiting_bytes -= waiting.popleft()[1]
        waiting.append((past, size))
        self._waiting_bytes += size
        away, leaves = self._uploads.away, past - self._published
        if away is not None and (leaves > self._backlog or self._waiting_bytes > _BACKLOG_BYTES):
            text = f"{leaves} leaves, {self._waiting_bytes} bytes, wait for the object store, which is away: {away}"
            raise OSError(EIO, text)

    def _swapped(self, old: str, new: Row) -> int | None:
        found = self._body()
        return None if found == old else int(found == new.body)

    def _body(self) -> str:
        rows: Rows = self._others.rows("SELECT body FROM log WHERE log = %s", (self._name,))
        return str(rows[0][0]) if rows else ""

    def _how(self) -> tuple[int, int]:
        rows = self._others.rows(_HOW, (self._name, self._tenant))
        if not rows:
            raise OSError(EIO, f"database: {self._name} has no head or lease")
        return _whole(rows[0][0]), _whole(rows[0][1])

    def _stands(self, first: int, past: int) -> bool:
        """Tell whether a commit stands whose answer was lost; raises OSError where it can neither stand nor follow.

        INVARIANT: who holds the token is the only one that counts up, so a count of `past` is this very commit.
        """
        rows = self._commits.rows(_HOW, (self._name, self._tenant))
        appended, token = (_whole(rows[0][0]), _whole(rows[0][1])) if rows else (-1, self._token)
        if token != self._token:
            raise OSError(EIO, "the lease is lost: another writer has taken over")
        if appended not in {first, past}:
            raise OSError(EIO, f"the database holds {appended} leaves where {first} were acknowledged")
        return appended == past


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise OSError(EIO, f"database: {value!r} is no number")
    return value


def _calls(text: str) -> dict[int, str]:
    return {int(index): str(call) for index, call in json.loads(text).items()}
