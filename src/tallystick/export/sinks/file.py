"""Events as lines of a file, synced before they count."""

import os
from collections.abc import Sequence
from pathlib import Path

from tallystick.export.model import Event, Limits, Refused, Unavailable
from tallystick.export.settings import FileOptions

_BACK = 1 << 16


class FileSink:
    """Appends to `path`. A full file is renamed to `<path>.<number>`, counting up; one process per file."""

    overlap = 0

    def __init__(self, options: FileOptions) -> None:
        self.limits = Limits(events=2000, total_bytes=1 << 20)
        self._path = Path(options.path)
        self._options = options
        self._file: int | None = None

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Write and sync; raises `Unavailable`. A batch that failed half-way is written again, whole."""
        lines = b"".join([event.body.removesuffix(b"\n") + b"\n" for event in events])
        try:
            file = self._opened(len(lines))
            written = os.write(file, lines)
            os.fdatasync(file)
        except OSError as error:
            self.close()
            message = f"{self._path} cannot be written: {error.strerror}"
            raise Unavailable(message) from error
        if written != len(lines):
            # Opening it again cuts off the part of a line.
            self.close()
            message = f"{self._path}: the disk took {written} of {len(lines)} bytes"
            raise Unavailable(message)
        return []

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _opened(self, more: int) -> int:
        if self._file is None:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            _cut_torn_line(self._file)
        size = os.fstat(self._file).st_size
        if size and size + more > self._options.max_bytes:
            self._turn()
            return self._opened(more)
        return self._file

    def _turn(self) -> None:
        self.close()
        numbers = sorted(number for number, _ in self._older())
        self._path.rename(self._path.with_name(f"{self._path.name}.{numbers[-1] + 1 if numbers else 1}"))
        for number, path in self._older() if self._options.keep else ():
            if number <= (numbers[-1] if numbers else 0) + 1 - self._options.keep:
                path.unlink()

    def _older(self) -> list[tuple[int, Path]]:
        found = self._path.parent.glob(f"{self._path.name}.*")
        return [(int(path.suffix[1:]), path) for path in found if path.suffix[1:].isdecimal()]


def _cut_torn_line(file: int) -> None:
    """Cut what a crash left behind the last newline: the cursor did not move over it, so it comes again."""
    size = end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - _BACK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end != size:
        os.ftruncate(file, end)
