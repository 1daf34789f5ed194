"""The journal's bytes: batches one behind the other, then zeros up to the end of the segment. Pure.

A segment is filled with zeros before it is used, so that a commit changes neither the file's length nor its extents and
its sync has no metadata to write. The zeros behind the last batch are therefore the journal's end and no damage.

One commit is one batch: leaves, and the encrypted payloads that were sent with them. A commit that a crash cut short
was never acknowledged; of it some sectors are there and others are still zero. Everything else that does not read as
batches is damage: a batch that is whole but wrong, intact batches behind a hole, bytes behind the end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from tallystick.audit.model import Sealed
from tallystick.audit.tlog.tiles import pack

_MARK: Final = b"TJ"
_MAGIC: Final = b"TJ2\n"
_OLD_MAGIC: Final = b"TJ1\n"
"""Batches without payloads, as earlier releases wrote them: still read, no longer written."""
_BATCH: Final = Struct(">4sQIIII")
_OLD_BATCH: Final = Struct(">4sQIII")
_NAMED: Final = Struct(">4sQ")
_PAYLOAD: Final = Struct(">BI")
_END: Final = b"\n"
"""Closes a batch. INVARIANT: it is not zero, so a batch never ends in zeros, whatever its ciphertext ends in."""
_SECTOR: Final = 512
"""Bytes that a disk writes whole or not at all (the smallest unit in use)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the journal that starts with leaf `first`."""

    first: int
    content: bytes


def frame(first: int, leaves: Sequence[bytes], sealed: Sequence[Sealed] = ()) -> bytes:
    """One batch of the journal.

    Magic, index of the first leaf, counts of leaves and of payloads, length, CRC-32; leaves as in an entry bundle; each
    payload as u8 length of its class, u32 length of its record, class, record; a newline.
    """
    content = pack(leaves) + b"".join(_framed(sealed)) + _END
    counts = len(leaves), len(sealed), len(content)
    check = crc32(content, crc32(_BATCH.pack(_MAGIC, first, *counts, 0)))
    return _BATCH.pack(_MAGIC, first, *counts, check) + content


def _framed(sealed: Sequence[Sealed]) -> Iterator[bytes]:
    for retention, record in sealed:
        name = retention.encode()
        yield _PAYLOAD.pack(len(name), len(record)) + name
        yield record


class Tail(NamedTuple):
    """What the journal holds past a checkpoint. `torn_at`: where the last segment has to be cut, if it has to be."""

    leaves: list[bytes]
    torn_at: int | None
    sealed: tuple[Sealed, ...] = ()


class _Batch(NamedTuple):
    first: int
    leaves: list[bytes]
    sealed: list[Sealed]
    stop: int


class _Head(NamedTuple):
    """The header of a batch: where its content starts and stops, what it must hold and hash to."""

    first: int
    leaves: int
    sealed: int
    start: int
    stop: int
    check: int
    before: int


def read_tail(segments: Sequence[Segment], size: int) -> Tail | str:
    """Leaves past the first `size`, or what is wrong with the journal."""
    if not segments or segments[0].first > size:
        return "does not reach back to the checkpoint"
    at, tail, sealed, torn_at = segments[0].first, list[bytes](), list[Sealed](), None
    for segment in segments:
        if segment.first != at:
            return f"is damaged after leaf {at - 1}"
        good = 0
        for batch in _read_segment(segment):
            tail += batch.leaves[max(0, size - at) :]
            at += len(batch.leaves)
            good = batch.stop
            # Those of published leaves are kept already: a checkpoint never moves before they are.
            if at > size:
                sealed += batch.sealed
        if not _is_empty(segment.content, good, len(segment.content)):
            if segment is not segments[-1] or not _is_torn(segment.content, good, at):
                return f"is damaged after leaf {at - 1}"
            torn_at = good
    return Tail(tail, torn_at, tuple(sealed)) if at >= size else "ends before the checkpoint"


def _read_segment(segment: Segment) -> Iterator[_Batch]:
    """Yield the intact batches from the start of a segment."""
    at, first = 0, segment.first
    while (batch := _batch(segment.content, at)) is not None and batch.first == first:
        yield batch
        at, first = batch.stop, first + len(batch.leaves)


def _is_empty(content: bytes, start: int, stop: int) -> bool:
    return content.count(b"\0", start, stop) == stop - start


def _is_torn(content: bytes, at: int, first: int) -> bool:
    """Tell whether what stands from `at` on can be a part of one commit of leaf `first`, and nothing but that."""
    end = len(content.rstrip(b"\0"))
    if _goes_on(content, at):
        return False
    holes = _has_holes(content, at, end)
    named = [_NAMED.pack(magic, first) for magic in (_MAGIC, _OLD_MAGIC)]
    if end - at < _BATCH.size:
        return holes or any(content[at:end].startswith(name[: end - at]) for name in named)
    if not content.startswith(tuple(named), at):
        return holes
    head = _head(content, at)
    if head is None or end > head.stop:
        return False
    # Without a hole only the end can be missing. A batch that has all its parts lacks nothing: its header is wrong.
    return holes or (end < head.stop and _parts(head, content[head.start : end]) is None)


def _has_holes(content: bytes, at: int, end: int) -> bool:
    """Tell whether a sector is missing.

    INVARIANT: no sector of a whole batch has only zeros. Leaves are text; a batch starts with its magic and ends with a
    newline; and of AES-GCM ciphertext 512 bytes in a row are zero with a probability of 2^-4096.
    """
    starts = [at, *range((at // _SECTOR + 1) * _SECTOR, end, _SECTOR)]
    stops = [*starts[1:], end]
    return any(_is_empty(content, start, stop) for start, stop in zip(starts, stops, strict=True))


def _head(content: bytes, at: int) -> _Head | None:
    if content.startswith(_MAGIC, at) and len(content) >= at + _BATCH.size:
        magic, first, leaves, sealed, length, check = _BATCH.unpack_from(content, at)
        start, before = at + _BATCH.size, _BATCH.pack(magic, first, leaves, sealed, length, 0)
        return _Head(first, leaves, sealed, start, start + length, check, crc32(before))
    if content.startswith(_OLD_MAGIC, at) and len(content) >= at + _OLD_BATCH.size:
        magic, first, leaves, length, check = _OLD_BATCH.unpack_from(content, at)
        start, before = at + _OLD_BATCH.size, _OLD_BATCH.pack(magic, first, leaves, length, 0)
        return _Head(first, leaves, -1, start, start + length, check, crc32(before))
    return None


def _batch(content: bytes, at: int) -> _Batch | None:
    head = _head(content, at)
    if head is None or len(content) < head.stop:
        return None
    payload = content[head.start : head.stop]
    if head.check != crc32(payload, head.before):
        return None
    parts = _parts(head, payload)
    return None if parts is None else _Batch(head.first, *parts, head.stop)


def _parts(head: _Head, content: bytes) -> tuple[list[bytes], list[Sealed]] | None:
    """Leaves and payloads of a batch's content; None when it is not exactly what the header announces."""
    leaves, at = list[bytes](), 0
    for _ in range(min(head.leaves, len(content))):
        stop = at + 2 + int.from_bytes(content[at : at + 2], "big")
        leaves.append(content[at + 2 : stop])
        at = stop
    sealed = list[Sealed]()
    for _ in range(min(max(head.sealed, 0), len(content))):
        if at + _PAYLOAD.size > len(content):
            return None
        name, record = _PAYLOAD.unpack_from(content, at)
        start = at + _PAYLOAD.size + name
        sealed.append(Sealed(content[start - name : start].decode(errors="replace"), content[start : start + record]))
        at = start + record
    ends = content[at:] == (b"" if head.sealed < 0 else _END)
    return (leaves, sealed) if ends and at <= len(content) and len(leaves) == head.leaves else None


def _goes_on(content: bytes, good: int) -> bool:
    """Tell whether intact batches follow the damage."""
    at = content.find(_MARK, good + 1)
    while at >= 0:
        if _batch(content, at) is not None:
            return True
        at = content.find(_MARK, at + 1)
    return False
