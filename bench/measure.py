"""Measuring one contestant: its loads, its memory, and what a call leaves in the record."""

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.contestants import Contestant
from bench.processes import Memory, cpu_seconds, memory
from bench.traffic import Plan, load, open_sessions, sample
from tallystick.audit import offline

SAMPLE: Final = 200
"""Calls whose answers are read closely, one after the other; of a slow contestant, a tenth."""

MOST_CALLS: Final = 400_000
"""Calls of one load at most, so that a run's record stays below 1 GB."""

_SETTLE_S: Final = 0.5
_SLOW_SETTLE_S: Final = 1.5
_SESSIONS_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One load. `cpu_us` is CPU per call of the contestant's process tree in microseconds; None where there is none.

    `payload` is what a call carries in bytes, where the row is about that; otherwise 0.
    """

    contestant: str
    connections: int
    calls_per_s: float
    p50: float
    p99: float
    cpu_us: float | None
    errors: int
    payload: int = 0

    @property
    def mb_per_core_second(self) -> float | None:
        """Return MB (10^6 bytes) of payload that one core carries in a second."""
        return self.payload / self.cpu_us if self.cpu_us and self.payload else None


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory of one contestant's process tree: after the sampled calls, and with so many open sessions."""

    idle: Memory
    sessions: int
    with_sessions: Memory


@dataclass(frozen=True, slots=True)
class Trace:
    """What one call leaves in the record: leaves, and their bytes."""

    leaves: float
    leaf_bytes: float


def check(contestant: Contestant) -> int:
    """Make the sampled calls; return how many went wrong."""
    return sample(contestant.endpoint, contestant.call, SAMPLE // 10 if contestant.slow else SAMPLE)


def measure(contestant: Contestant, connections: int, seconds: int, folder: Path) -> Figure:
    """Load a contestant once: a second in which every answer is looked at, then the measured seconds.

    A slow one gets twice the time.
    """
    request = folder / "call.http"
    contestant.call.write(contestant.endpoint, request)
    slowness = 2 if contestant.slow else 1
    plan = Plan(contestant.endpoint.url, request, connections, slowness, MOST_CALLS, check=True)
    if contestant.sessions:
        plan = replace(plan, sessions=folder / "sessions")
        (folder / "sessions").write_text("\n".join(contestant.sessions) + "\n")
    before = _cpu(contestant)
    found = warm = load(plan)
    # One second measures nothing worth keeping: then the looked-at second is all there is (tests).
    if seconds > 1:
        before = _cpu(contestant)
        found = load(replace(plan, seconds=slowness * seconds, check=False))
    used = _cpu(contestant) - before
    return Figure(
        contestant.name,
        connections,
        found.calls / found.seconds,
        found.p50,
        found.p99,
        # Calls under way at the end are not counted by the load generator, but they are carried out and charged.
        None if contestant.pid is None else 1e6 * used / max(1, found.calls + connections),
        warm.errors + (found.errors if seconds > 1 else 0),
        contestant.payload,
    )


def footprint(contestant: Contestant, sessions: int) -> Footprint | None:
    """Take the memory idle and with open sessions; None where there is no process."""
    if contestant.pid is None:
        return None
    idle = memory(contestant.pid)
    opened, full = asyncio.run(_with_sessions(contestant, sessions)) if sessions else (0, idle)
    return Footprint(idle, opened, full)


async def _with_sessions(contestant: Contestant, count: int) -> tuple[int, Memory]:
    opened = await open_sessions(contestant.endpoint, contestant.call, count, _SESSIONS_S)
    full = memory(contestant.pid or 0)
    for session in opened:
        session.writer.close()
    return len(opened), full


def trace(contestant: Contestant, log: Path) -> Trace:
    """Make a known number of calls and look at what the record grew by."""
    time.sleep(_SETTLE_S)
    before = offline.size_of(log)
    sample(contestant.endpoint, contestant.call, SAMPLE)
    time.sleep(_SETTLE_S)
    leaves = [leaf for _, leaf in offline.read_leaves(log, range(before, offline.size_of(log)))]
    # The writer's own heartbeat, once a minute, is no call's.
    grown = [leaf for leaf in leaves if offline.read_fields(leaf)["kind"] != "heartbeat"]
    return Trace(len(grown) / SAMPLE, sum(map(len, grown)) / SAMPLE)


def verify(log: Path) -> str:
    """Verify the whole record from its files; raises RuntimeError when anything is wrong."""
    time.sleep(_SETTLE_S)
    report = offline.verify_log(log, offline.read_vkey(log))
    if not report.ok or report.opened:
        message = (
            f"the record of the run is not sound: {report.damage[:3]}, {len(report.opened)} intents without outcome"
        )
        raise RuntimeError(message)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.kinds.items()))
    return f"{report.size} leaves, verified from the files: {kinds}"


def _cpu(contestant: Contestant) -> float:
    if contestant.pid is None:
        return 0.0
    # What a load leaves to be done (calls under way, publishing tiles, closing connections) belongs to its calls.
    time.sleep(_SLOW_SETTLE_S if contestant.slow else _SETTLE_S)
    return cpu_seconds(contestant.pid)
