"""Segments: files of sealed records, one behind the other, of one retention class and month. No key is needed to read.

Frame of a record: "TPF1", u32 length, u32 CRC-32 of the record, record. Behind the last intact frame there may be the
rest of one that a crash cut off; it was never promised to anybody. Damage has intact frames behind it.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, NamedTuple
from zlib import crc32

from tallystick.audit.payload.model import Damaged
from tallystick.audit.payload.seal import RETENTION, Header, parse

FRAME: Final = Struct(">4sII")
SUFFIX: Final = ".pay"
_MAGIC: Final = b"TPF1"
_NAME = re.compile(r"(\d{4}-\d{2})-([1-9]\d*)\.pay")


class Found(NamedTuple):
    """A record in a segment and its offset; `record` is None for a stretch of `length` bytes that is no record."""

    offset: int
    length: int
    record: bytes | None


class Stored(NamedTuple):
    """A record somewhere in a payload directory; `header` is None where there is damage."""

    retention: str
    path: Path
    offset: int
    length: int
    header: Header | None


def frame(record: bytes) -> bytes:
    """The bytes of a record in a segment."""
    return FRAME.pack(_MAGIC, len(record), crc32(record)) + record


def unframe(content: bytes) -> bytes | None:
    """The record in exactly these bytes of a segment, None if they are not intact."""
    if len(content) < FRAME.size:
        return None
    magic, length, check = FRAME.unpack_from(content)
    record = content[FRAME.size :]
    return record if magic == _MAGIC and len(record) == length and crc32(record) == check else None


def read_frame(file: int, offset: int, length: int) -> bytes | None:
    """The record whose frame has this place and length in an open file."""
    return unframe(os.pread(file, length, offset))


def scan(file: BinaryIO, start: int = 0) -> Iterator[Found]:
    """Every record from `start` on, and what lies between or behind them. One record is in memory at a time."""
    at, end = start, os.fstat(file.fileno()).st_size
    while at < end:
        record = _at(file, at, end)
        if record is not None:
            yield Found(at, FRAME.size + len(record), record)
            at += FRAME.size + len(record)
        else:
            later = _next(file, at + 1, end)
            yield Found(at, later - at, None)
            at = later


def segment_name(month: str, number: int) -> str:
    """File name of a segment."""
    return f"{month}-{number}{SUFFIX}"


def segment_files(root: Path) -> Iterator[tuple[str, str, int, Path]]:
    """Retention class, month, number and path of every segment below a tenant's payload directory, in order."""
    if not root.is_dir():
        return
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or not RETENTION.fullmatch(folder.name):
            continue
        named = [(found, path) for path in folder.iterdir() if (found := _NAME.fullmatch(path.name))]
        for found, path in sorted(named, key=lambda pair: (pair[0][1], int(pair[0][2]))):
            yield folder.name, found[1], int(found[2]), path


def read_records(root: Path) -> Iterator[Stored]:
    """Every record that is stored for a tenant (`<state>/payload/<tenant>`), cheaper directories included.

    Without keys: headers only, and where there is damage. Raises OSError.
    """
    for place in (root, *tier_directories(root)):
        for retention, _, _, path in segment_files(place):
            with path.open("rb") as file:
                for found in scan(file):
                    header = header_in(found.record)
                    yield Stored(retention, path, found.offset, found.length, header)


def tier_directories(root: Path) -> tuple[Path, ...]:
    """The cheaper directories of a tenant, oldest first."""
    path = root / "tiers"
    return tuple(Path(line) / root.name for line in path.read_text().splitlines()) if path.exists() else ()


def expired_months(root: Path) -> dict[str, str]:
    """The last month that has expired, by retention class."""
    folders = [folder for folder in sorted(root.iterdir()) if folder.is_dir()] if root.is_dir() else []
    marks = [(folder.name, folder / "expired") for folder in folders]
    return {name: mark.read_text().strip() for name, mark in marks if mark.exists()}


def header_in(record: bytes | None) -> Header | None:
    """The header of a record, None where there is damage."""
    try:
        return None if record is None else parse(record).header
    except Damaged:
        return None


def _at(file: BinaryIO, at: int, end: int) -> bytes | None:
    if end - at < FRAME.size:
        return None
    file.seek(at)
    head = file.read(FRAME.size)
    magic, length, _ = FRAME.unpack(head)
    if magic != _MAGIC or length > end - at - FRAME.size:
        return None
    return unframe(head + file.read(length))


def _next(file: BinaryIO, start: int, end: int) -> int:
    """Where the next intact frame begins, or the end."""
    file.seek(start)
    rest = file.read(end - start)
    at = rest.find(_MAGIC)
    while at >= 0:
        if _at(file, start + at, end) is not None:
            return start + at
        at = rest.find(_MAGIC, at + 1)
    return end
