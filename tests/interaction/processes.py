"""The processes that Tallystick starts, seen from outside (Linux: proc(5))."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

WRITER = b"tallystick.audit.writer"


def children(parent: int) -> Iterator[int]:
    """Yield the ids of a process's children that are alive."""
    for folder in Path("/proc").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            if folder.name.isdecimal():
                state, above = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(above) == parent and state != "Z":
                    yield int(folder.name)


def writers_of(parent: int) -> list[int]:
    """Return the ids of the audit writers that a process started."""
    found: list[int] = []
    for pid in children(parent):
        with suppress(FileNotFoundError, ProcessLookupError):
            if WRITER in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process still runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid: int) -> None:
    """End a process at once, if it has not ended."""
    # Zero would be everybody in this process's own group.
    assert pid > 0, "nothing was started, so nothing can be killed"
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
