"""Reading a log from its files: what it holds, without checking it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from tallystick.audit.tlog.tiles import WIDTH, Read, read_tile, tile_path, unpack
from tallystick.terms import TallyError


class UnreadableError(TallyError):
    """A log, or a part of it, that is not there or not in the form it must have."""

    def __init__(self, message: str) -> None:
        super().__init__("not_found", message)


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong: in which file, at which leaf (if one can be named), and what."""

    file: str
    index: int | None
    text: str


def read_vkey(directory: Path) -> str:
    """The verifier key beside a log; raises UnreadableError. A key from beside the log proves consistency only."""
    return text(directory / "vkey").strip()


def size_of(directory: Path) -> int:
    """Number of leaves that the (unverified) checkpoint states; raises UnreadableError."""
    _, size, *_ = [*text(directory / "checkpoint").split("\n"), ""]
    if not size.isdecimal():
        message = f"{directory / 'checkpoint'} is not a checkpoint"
        raise UnreadableError(message)
    return int(size)


def read_leaves(directory: Path, indices: range) -> Iterator[tuple[int, bytes]]:
    """Yield (index, leaf) for indices in rising order; raises UnreadableError when a bundle is missing or damaged."""
    size, read = size_of(directory), reader(directory)
    number, leaves = -1, list[bytes]()
    for index in indices:
        if index // WIDTH != number:
            number = index // WIDTH
            leaves = unpack(read_tile(read, None, number, size) or b"")[0] if 0 <= index < size else []
        if not 0 <= index - number * WIDTH < len(leaves):
            bundle = "" if index >= size else f", and {tile_path(None, number)} does not hold it; verify the log"
            message = f"no leaf {index}: the log has {size} leaves{bundle}"
            raise UnreadableError(message)
        yield index, leaves[index % WIDTH]


def is_fields(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether a parsed JSON value is an object."""
    return isinstance(value, dict)


def read_fields(leaf: bytes) -> dict[str, object]:
    """Fields of a leaf; of one that is no JSON object, its text."""
    try:
        fields: object = json.loads(leaf)
    except ValueError:
        fields = None
    return fields if is_fields(fields) else {"kind": "unreadable", "text": leaf.decode(errors="replace")}


def reader(directory: Path) -> Read:
    """Return how the files under a log's directory are read."""

    def read(path: str) -> bytes | None:
        try:
            return (directory / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    return read


def text(path: Path) -> str:
    """Text of a file of a log; raises UnreadableError."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        message = f"{path} cannot be read: {why}. A log's directory is <state>/audit/<tenant>/<year>."
        raise UnreadableError(message) from error
