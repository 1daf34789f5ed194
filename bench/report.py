"""The tables, as Markdown, and the place in the document where they stand."""

import math
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from bench.contestants import GOVERNED
from bench.measure import Figure, Footprint, Trace
from bench.peers import CONTEXTFORGE, FASTMCP, LITELLM
from bench.shapes import MIB
from bench.streams import NAME as STREAMS
from bench.streams import Idle

CPU_BAR_US: Final = 80.0
ADDED_BAR_MS: Final = 0.5
TAIL_BAR: Final = 3.0
MEMORY_BAR_MB: Final = 150.0
THROUGHPUT_BAR_MB: Final = 300.0
STREAMS_BAR_MB: Final = 1024 * MIB / 1e6
BUSY: Final = 64
BEGIN: Final = "<!-- Written by `make bench ARGS=--write`; changes by hand are lost. -->"
END: Final = "<!-- End of what `make bench` writes. -->"
_PACKAGES: Final = ("uvicorn", "uvloop", "httptools", "msgspec", "cedarpy", "jsonschema-rs", "cryptography")


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that one run found. `missing` says what could not be measured, and why."""

    figures: Sequence[Figure]
    footprints: Mapping[str, Footprint]
    trace: Trace | None
    record: str
    stages: Mapping[str, float]
    missing: Sequence[str]
    day: str
    busy: float
    command: str
    seconds: int
    rounds: int
    in_process: Mapping[str, float] = field(default_factory=dict[str, float])
    idle: Idle | None = None


class Bar(NamedTuple):
    """A promise: what was measured, and what it must be at most (or at least)."""

    sentence: str
    measured: float
    bar: float
    at_least: bool = False
    digits: int = 0

    @property
    def held(self) -> bool:
        """Tell whether the promise is kept."""
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar


def quietest(figures: Iterable[Figure]) -> list[Figure]:
    """Return the best of the repetitions: the least CPU per call, or where nothing is charged the most calls."""
    best: dict[tuple[str, int], Figure] = {}
    for figure in figures:
        key = (figure.contestant, figure.connections)
        known = best.get(key)
        if known is None or _cost(figure) < _cost(known):
            best[key] = figure
    return list(best.values())


def _cost(figure: Figure) -> float:
    return -figure.calls_per_s if figure.cpu_us is None else figure.cpu_us


class Alone(NamedTuple):
    """Latency at one connection in milliseconds: the least p50 and the least p99 of the repetitions, and their ratio.

    The ratio is of one repetition, the one whose p99 is the least.
    """

    p50: float
    p99: float
    ratio: float


def alone(figures: Iterable[Figure]) -> dict[str, Alone]:
    """Return contestant -> its latency at one connection."""
    by_name: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.connections == 1:
            by_name.setdefault(figure.contestant, []).append(figure)
    found: dict[str, Alone] = {}
    for name, mine in by_name.items():
        calm = min(mine, key=lambda figure: figure.p99)
        found[name] = Alone(min(figure.p50 for figure in mine), calm.p99, calm.p99 / max(calm.p50, 1e-3))
    return found


def bars(run: Run) -> list[Bar]:
    """Return what was promised, as far as it was measured."""
    best = quietest(run.figures)
    latency = alone(run.figures)
    rows = [
        Bar(f"CPU of a governed call at {BUSY} connections with the durable record, microseconds", cpu_us, CPU_BAR_US)
        for name, connections, cpu_us in ((figure.contestant, figure.connections, figure.cpu_us) for figure in best)
        if name == GOVERNED and connections == BUSY and cpu_us is not None
    ]
    if GOVERNED in latency and "direct" in latency:
        added = latency[GOVERNED].p50 - latency["direct"].p50
        rows.append(Bar("added p50 at 1 connection, with the durable record, ms", added, ADDED_BAR_MS, digits=2))
    if GOVERNED in latency:
        rows.append(
            Bar("p99 of a governed call / its p50, at 1 connection", latency[GOVERNED].ratio, TAIL_BAR, digits=1)
        )
    carried = [figure.mb_per_core_second for figure in best]
    if most := max((rate for rate in carried if rate is not None), default=None):
        rows.append(Bar("a result of 1 MiB, MB/s for each core of the gateway", most, THROUGHPUT_BAR_MB, at_least=True))
    footprint = run.footprints.get(GOVERNED)
    if footprint is not None and footprint.sessions:
        sentence = f"resident memory of all processes with {footprint.sessions} open sessions, MB"
        rows.append(Bar(sentence, footprint.with_sessions.rss, MEMORY_BAR_MB))
    if run.idle is not None:
        sentence = f"resident memory of all processes with {run.idle.streams:,} idle streams, MB"
        rows.append(Bar(sentence, run.idle.memory.rss, STREAMS_BAR_MB))
    return rows


def text(run: Run) -> str:
    """Return the tables."""
    parts = (_machine, _bars, _calls, _alone, _large, _memory, _idle, _missing, _further)
    return "\n\n".join(told for told in (part(run) for part in parts) if told)


def write(document: Path, run: Run) -> None:
    """Put the tables into the document, between its marks."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{text(run)}\n\n{END}{after}", encoding="utf-8")


def _machine(run: Run) -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    peers = [_said("wrk", "-v"), _said("nginx", "-v"), *(_version(*peer) for peer in _PEERS)]
    rows = [
        ("when", run.day),
        (
            "machine",
            f"{os.cpu_count()} x {model[1] if model else platform.machine()}, {memory:.0f} GB, all on it over loopback",
        ),
        ("system", f"Linux {platform.release()}, Python {platform.python_version()}"),
        ("libraries", packages),
        ("others", f"load average {run.busy:.2f} before the run: the lower, the more the figures are worth"),
        ("peers", "; ".join(peer for peer in peers if peer)),
        ("command", f"`{run.command}`: {run.seconds} s for each figure, the quietest of {run.rounds}"),
    ]
    return _table(("", ""), rows)


_PEERS: Final = ((FASTMCP, "fastmcp"), (CONTEXTFORGE, "mcp-contextforge-gateway"), (LITELLM, "litellm"))


def _version(programs: Path, package: str) -> str:
    asked = f"import importlib.metadata as m; print({package!r}, m.version({package!r}))"
    return _said(str(programs / "python"), "-c", asked)


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    first = (done.stdout or done.stderr).strip().splitlines()[:1]
    return (
        first[0].partition(" [")[0].removeprefix("nginx version: ").replace("wrk debian", "wrk Debian") if first else ""
    )


def _bars(run: Run) -> str:
    rows = [
        (
            bar.sentence,
            f"{bar.measured:.{bar.digits}f}",
            f"{'>=' if bar.at_least else '<='} {bar.bar:.{bar.digits and 1}f}",
            "held" if bar.held else "MISSED",
        )
        for bar in bars(run)
    ]
    return _table(("bar", "measured", "bar", ""), rows) if rows else ""


def _calls(run: Run) -> str:
    rows = [
        (
            figure.contestant,
            str(figure.connections),
            f"{figure.calls_per_s:,.0f}",
            f"{figure.p50:.2f}",
            f"{figure.p99:.2f}",
            "-" if figure.cpu_us is None else f"{figure.cpu_us:,.0f}",
            str(figure.errors),
        )
        for figure in quietest(run.figures)
    ]
    return _table(("", "connections", "calls/s", "p50 ms", "p99 ms", "CPU us/call", "errors"), rows) if rows else ""


def _alone(run: Run) -> str:
    latency = alone(run.figures)
    direct = latency.get("direct")
    if direct is None:
        return ""
    rows = [
        (name, f"{found.p50 - direct.p50:.2f}", f"{found.p99 - direct.p99:.2f}", f"{found.ratio:.1f}")
        for name, found in latency.items()
    ]
    return _table(("at 1 connection", "added p50 ms", "added p99 ms", "p99 / p50"), rows)


def _large(run: Run) -> str:
    rows = [
        (
            figure.contestant,
            str(figure.connections),
            f"{figure.calls_per_s * figure.payload / 1e6:,.0f}",
            f"{rate:,.0f}",
        )
        for figure in quietest(run.figures)
        if (rate := figure.mb_per_core_second) is not None
    ]
    return _table(("", "connections", "MB/s", "MB/s for each core of the gateway"), rows) if rows else ""


def _idle(run: Run) -> str:
    idle = run.idle
    if idle is None:
        return ""
    each = 1e3 * (idle.memory.rss - idle.before.rss) / max(1, idle.streams)
    facts = (f"{idle.before.rss:.0f}", f"{idle.memory.rss:.0f}", f"{idle.memory.pss:.0f}", f"{each:.1f}")
    row = (STREAMS, f"{idle.streams:,}", *facts, f"{100 * idle.core_share:.1f}", f"{idle.opened_per_s:.0f}")
    head = ("", "streams", "RSS before MB", "RSS MB", "PSS MB", "KB each", "% of a core, idle", "opened/s")
    return _table(head, [row])


def _missing(run: Run) -> str:
    return "\n\n".join(f"Not measured: {sentence}" for sentence in run.missing)


def _memory(run: Run) -> str:
    rows = [
        (name, *(f"{value:.0f}" for value in (*found.idle, *found.with_sessions)), str(found.sessions))
        for name, found in run.footprints.items()
    ]
    return _table(("MB", "RSS idle", "PSS idle", "RSS", "PSS", "with open sessions"), rows) if rows else ""


def _further(run: Run) -> str:
    told = [f"The records of this run: {run.record}."] if run.record else []
    if run.trace is not None:
        told.insert(
            0, f"One call leaves {run.trace.leaves:.2f} leaves, {run.trace.leaf_bytes:.0f} bytes, in the record."
        )
    tables = [in_process_table(run.in_process) if run.in_process else "", stage_table(run.stages) if run.stages else ""]
    return "\n\n".join(part for part in (" ".join(told), *tables) if part)


def in_process_table(found: Mapping[str, float]) -> str:
    """Return the table of what one call costs without sockets, microseconds each."""
    return _table(("in process, no kernel, no writer", "us"), _microseconds(found))


def stage_table(stages: Mapping[str, float]) -> str:
    """Return the table of stages, microseconds each."""
    return _table(("stage, warm, alone", "us"), _microseconds(stages))


def _microseconds(found: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name, "-" if math.isnan(value) else f"{value:.2f}") for name, value in found.items()]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = ["---", *["--:"] * (len(head) - 1)] if len(head) > 2 else ["---"] * len(head)  # noqa: PLR2004 - a list of facts reads from the left
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))
