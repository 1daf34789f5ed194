"""The health of servers as one worker sees it."""

from dataclasses import dataclass
from pathlib import Path

from tallystick.guard import BreakerState


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """One server. Times are in seconds since 1970.

    `since` is when its circuit became what it is; `again_at` when the server is asked again, None where calls pass.
    `reason` and `detail` are the newest of the `failures` in a row, empty where there are none. `under_way` counts the
    worker's calls there, `eras` are the protocol versions that the server is believed to speak.
    """

    server: str
    circuit: BreakerState
    since: float
    failures: int
    reason: str
    detail: str
    again_at: float | None
    eras: tuple[str, ...]
    under_way: int


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """What the worker `index`, a process with the id `process`, said at `said_at` (seconds since 1970)."""

    index: int
    process: int
    said_at: float
    servers: tuple[ServerHealth, ...]


def health_file(state: Path, index: int) -> Path:
    """Where a worker tells how its servers are."""
    return state / "run" / f"health-{index}.json"


def health_files(state: Path) -> list[Path]:
    """Return what workers have told, dead ones too."""
    return sorted((state / "run").glob("health-*.json"))
