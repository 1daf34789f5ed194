"""The journal's bytes: batches one behind the other, then zeros up to the end of the segment. Pure.

A segment is filled with zeros before it is used, so that a commit changes neither the file's length nor its extents and
its sync has no metadata to write. The zeros behind the last batch are therefore the journal's end and no damage.

One commit is one batch. A commit that a crash cut short was never acknowledged; of it some sectors are there and others
are still zero. Everything else that does not read as batches is damage: a batch that is whole but wrong, intact batches
behind a hole, bytes behind the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from tallystick.audit.tlog.tiles import pack, unpack

_MAGIC = b"TJ1\n"
_BATCH = Struct(">4sQIII")
_NAMED = Struct(">4sQ")
_SECTOR = 512
"""Bytes that a disk writes whole or not at all (the smallest unit in use)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the journal that starts with leaf `first`."""

    first: int
    content: bytes


def frame(first: int, leaves: Sequence[bytes]) -> bytes:
    """One batch of the journal: magic, index of the first leaf, count, length, CRC-32, leaves as in an entry bundle."""
    payload = pack(leaves)
    count, length = len(leaves), len(payload)
    check = crc32(payload, crc32(_BATCH.pack(_MAGIC, first, count, length, 0)))
    return _BATCH.pack(_MAGIC, first, count, length, check) + payload


class Tail(NamedTuple):
    """What the journal holds past a checkpoint. `torn_at`: where the last segment has to be cut, if it has to be."""

    leaves: list[bytes]
    torn_at: int | None


def read_tail(segments: Sequence[Segment], size: int) -> Tail | str:
    """Leaves past the first `size`, or what is wrong with the journal."""
    if not segments or segments[0].first > size:
        return "does not reach back to the checkpoint"
    at, tail, torn_at = segments[0].first, list[bytes](), None
    for segment in segments:
        leaves, good = _read_segment(segment)
        if not _is_empty(segment.content, good, len(segment.content)):
            torn_at = good
        torn = torn_at is not None
        if segment.first != at or (
            torn and (segment is not segments[-1] or not _is_torn(segment.content, good, at + len(leaves)))
        ):
            return f"is damaged after leaf {at + len(leaves) - 1}"
        tail += leaves[max(0, size - at) :]
        at += len(leaves)
    return Tail(tail, torn_at) if at >= size else "ends before the checkpoint"


def _read_segment(segment: Segment) -> tuple[list[bytes], int]:
    """Leaves of the intact batches from the start of a segment, and where the intact part ends."""
    found: list[bytes] = []
    at = 0
    while (batch := _batch(segment.content, at)) is not None and batch[0] == segment.first + len(found):
        found += batch[1]
        at = batch[2]
    return found, at


def _is_empty(content: bytes, start: int, stop: int) -> bool:
    return content.count(b"\0", start, stop) == stop - start


def _is_torn(content: bytes, at: int, first: int) -> bool:
    """Tell whether what stands from `at` on can be a part of one commit of leaf `first`, and nothing but that."""
    end = len(content.rstrip(b"\0"))
    if _goes_on(content, at):
        return False
    named = _NAMED.pack(_MAGIC, first)
    if end - at < _BATCH.size:
        return _has_holes(content, at, end) or content[at:end].startswith(named[: end - at])
    if not content.startswith(named, at):
        return _has_holes(content, at, end)
    _, _, count, length, _ = _BATCH.unpack_from(content, at)
    stop = at + _BATCH.size + length
    leaves, whole = unpack(content[at + _BATCH.size : end])
    complete = whole and len(leaves) == count
    return not complete and (end < stop or (end == stop and _has_holes(content, at, end)))


def _has_holes(content: bytes, at: int, end: int) -> bool:
    """Tell whether a sector is missing. INVARIANT: text has no zero bytes, so no sector of a batch has only zeros."""
    starts = [at, *range((at // _SECTOR + 1) * _SECTOR, end, _SECTOR)]
    stops = [*starts[1:], end]
    return any(_is_empty(content, start, stop) for start, stop in zip(starts, stops, strict=True))


def _batch(content: bytes, at: int) -> tuple[int, list[bytes], int] | None:
    if len(content) < at + _BATCH.size:
        return None
    magic, first, count, length, check = _BATCH.unpack_from(content, at)
    start = at + _BATCH.size
    if magic != _MAGIC or len(content) < start + length:
        return None
    payload = content[start : start + length]
    if check != crc32(payload, crc32(_BATCH.pack(magic, first, count, length, 0))):
        return None
    leaves, whole = unpack(payload)
    return (first, leaves, start + length) if whole and len(leaves) == count else None


def _goes_on(content: bytes, good: int) -> bool:
    """Tell whether intact batches follow the damage."""
    at = content.find(_MAGIC, good + 1)
    while at >= 0:
        if _batch(content, at) is not None:
            return True
        at = content.find(_MAGIC, at + 1)
    return False
