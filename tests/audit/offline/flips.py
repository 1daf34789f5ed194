"""Logs for the tests of verification: in memory and on disk, and every way to change one byte of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tallystick.audit.offline.read import DirectoryFiles
from tests.audit.sample import Ticking, denial, intent, log_directory, opened_log, opened_state, outcome

SIZE = 300


@dataclass(frozen=True)
class MemoryFiles:
    """The files of a log in memory, of which one may be replaced."""

    content: Mapping[str, bytes]
    changed: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def read(self, path: str) -> bytes | None:
        """Content of a file."""
        return self.changed.get(path, self.content.get(path))

    def names(self, folder: str) -> list[str]:
        """Files of a folder."""
        return sorted(path.removeprefix(f"{folder}/") for path in self.content if path.startswith(f"{folder}/"))


def write_log(directory: Path, leaf: Callable[[int], bytes], steps: tuple[int, ...] = (270, SIZE)) -> Path:
    """Write a log with our own writer, published in steps, so that incomplete tiles have forerunners."""
    with opened_state(directory) as state:
        opened, start = opened_log(state), 0
        for stop in steps:
            opened.append([leaf(number) for number in range(start, stop)])
            opened.publish(Ticking())
            start = stop
    return log_directory(directory)


def real_leaf(number: int) -> bytes:
    """Calls with their outcomes, and ten denials at the end."""
    if number >= SIZE - 10:
        return denial(number)
    return intent(number) if number % 2 == 0 else outcome(number - 1, number - 1)


def short_leaf(number: int) -> bytes:
    """The shortest leaves that differ: of no use to us, and quick to go through."""
    return number.to_bytes(2, "big")


def files_of(log: Path) -> dict[str, bytes]:
    """Content of every file of a log that is published."""
    files = DirectoryFiles(log)
    paths = [file.relative_to(log).as_posix() for file in sorted(log.rglob("*")) if file.is_file()]
    return {path: files.read(path) or b"" for path in paths if not path.startswith("journal/")}


def flips(content: Mapping[str, bytes], step: Callable[[bytes], int]) -> Iterator[tuple[str, int, bytes]]:
    """(file, offset, changed content) for one flipped bit in each byte that a step reaches."""
    for path, whole in content.items():
        for offset in range(0, len(whole), step(whole)):
            yield path, offset, whole[:offset] + bytes([whole[offset] ^ 1 << offset % 8]) + whole[offset + 1 :]


def expected_index(content: Mapping[str, bytes], path: str, offset: int) -> int | None:
    """Index of the leaf that a byte of a file belongs to; None where no leaf can be named."""
    if path in {"checkpoint", "vkey"} or _is_forerunner(content, path):
        return None
    first = 256 if "001.p" in path else 0
    if path.startswith("tile/1"):
        return 0
    if path.startswith("tile/0"):
        return first + offset // 32
    at, bundle = 0, content[path]
    while (following := at + 2 + int.from_bytes(bundle[at : at + 2], "big")) <= offset:
        first, at = first + 1, following
    return first


def _is_forerunner(content: Mapping[str, bytes], path: str) -> bool:
    folder, _, width = path.rpartition("/")
    return folder.endswith(".p") and any(
        other.startswith(f"{folder}/") and int(other.rpartition("/")[2]) > int(width) for other in content
    )
