"""Reading a log from its files: what it holds, without checking it."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeGuard

from tallystick.audit.tlog.tiles import WIDTH, Read, read_tile, tile_path, unpack
from tallystick.terms import TallyError

_TIME: Final = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}(:\d{2}(:\d{2}(\.\d{1,6})?)?)?)?)?)?Z?")


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


@dataclass(frozen=True, slots=True)
class Untold(Damage):
    """Not proven, and not disproven either: what was given (keys, a policy) is not enough to tell."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something an auditor should look at, and no proof of tampering: silence, clock, open, key or pruned."""

    kind: str
    index: int | None
    text: str


class Files(Protocol):
    """The files of one log, wherever they are. Sent to other processes: it must be possible to pickle it."""

    def read(self, path: str) -> bytes | None:
        """Content of a file by its path below the log, or None where there is none."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; none where there is no such folder."""
        ...


@dataclass(frozen=True, slots=True)
class DirectoryFiles:
    """A log in a directory."""

    directory: Path

    def read(self, path: str) -> bytes | None:
        """Read a file."""
        try:
            return (self.directory / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, folder: str) -> list[str]:
        """List a folder."""
        try:
            return sorted(path.name for path in (self.directory / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


def read_vkey(directory: Path) -> str:
    """The verifier key beside a log; raises UnreadableError. A key from beside the log proves consistency only."""
    return text(directory / "vkey").strip()


def size_of(directory: Path) -> int:
    """Number of leaves that the (unverified) checkpoint states; raises UnreadableError."""
    return stated_size(text(directory / "checkpoint"), str(directory / "checkpoint"))


def origin_of(directory: Path) -> str:
    """Origin that the (unverified) checkpoint states; raises UnreadableError."""
    return text(directory / "checkpoint").partition("\n")[0]


def stated_size(checkpoint: str, file: str) -> int:
    """Number of leaves that a checkpoint's text states, unverified; raises UnreadableError, which names the file."""
    _, size, *_ = [*checkpoint.split("\n"), ""]
    if not size.isdecimal():
        message = f"{file} is not a checkpoint"
        raise UnreadableError(message)
    return int(size)


def first_at(directory: Path, time: str) -> int:
    """Index of the first leaf that is not older than a time (RFC 3339 or its beginning, UTC); raises UnreadableError.

    By bisection: times rise from leaf to leaf, but for steps of the clock, which verification finds.
    """
    if not _TIME.fullmatch(time):
        message = f"{time} is no index, no file and no time such as 2026-11-21T09:30"
        raise UnreadableError(message)
    low, high = 0, size_of(directory)
    while low < high:
        middle = (low + high) // 2
        _, leaf = next(read_leaves(directory, range(middle, middle + 1)))
        if str(read_fields(leaf).get("ts", "")) < time.removesuffix("Z"):
            low = middle + 1
        else:
            high = middle
    return low


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


def is_items(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether a parsed JSON value is an array."""
    return isinstance(value, list | tuple)


def read_fields(leaf: bytes) -> dict[str, object]:
    """Fields of a leaf; of one that is no JSON object, its text."""
    try:
        fields: object = json.loads(leaf)
    except ValueError:
        fields = None
    return fields if is_fields(fields) else {"kind": "unreadable", "text": leaf.decode(errors="replace")}


def reader(directory: Path) -> Read:
    """Return how the files under a log's directory are read."""
    return DirectoryFiles(directory).read


def text(path: Path) -> str:
    """Text of a file of a log; raises UnreadableError."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        message = f"{path} cannot be read: {why}. A log's directory is <state>/audit/<tenant>/<year>."
        raise UnreadableError(message) from error
