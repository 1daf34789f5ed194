"""What a server process is allowed."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capped:
    """A command with its limits.

    `environment` is the whole environment of the process; nothing is inherited. `memory_bytes` caps data and anonymous
    memory (RLIMIT_DATA), `open_files` caps descriptors, `line_bytes` caps one line of output. The number of processes
    is not capped here (RLIMIT_NPROC counts per user, not per tree).
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str | None = None
    memory_bytes: int = 2 << 30
    open_files: int = 1024
    line_bytes: int = 8 << 20
