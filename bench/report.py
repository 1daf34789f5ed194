"""The tables, as Markdown, and the place in the document where they stand."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.contestants import PEERS
from bench.measure import Figure, Footprint, Trace

CPU_BAR_US: Final = 130.0
ADDED_BAR_MS: Final = 1.0
MEMORY_BAR_MB: Final = 150.0
BUSY: Final = 64
GOVERNED: Final = "Tallystick, governed"
BEGIN: Final = "<!-- Written by `make bench ARGS=--write`; changes by hand are lost. -->"
END: Final = "<!-- End of what `make bench` writes. -->"
_PACKAGES: Final = ("uvicorn", "uvloop", "httptools", "msgspec", "cedarpy", "jsonschema-rs", "cryptography")


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that one run found. `missing` says who could not be measured, and why."""

    figures: Sequence[Figure]
    footprints: Mapping[str, Footprint]
    trace: Trace
    record: str
    stages: Mapping[str, float]
    missing: Sequence[str]
    day: str
    busy: float
    command: str
    seconds: int
    rounds: int


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


def bars(run: Run) -> list[tuple[str, float, float]]:
    """Return what was promised: (sentence, measured, bar)."""
    found = {(figure.contestant, figure.connections): figure for figure in quietest(run.figures)}
    p50 = {key: min(f.p50 for f in run.figures if (f.contestant, f.connections) == key) for key in found}
    rows: list[tuple[str, float, float]] = []
    busy = found.get((GOVERNED, BUSY))
    if busy is not None and busy.cpu_us is not None:
        rows.append((f"CPU of a governed call at {BUSY} connections, microseconds", busy.cpu_us, CPU_BAR_US))
    if (GOVERNED, 1) in p50 and ("direct", 1) in p50:
        added = p50[GOVERNED, 1] - p50["direct", 1]
        rows.append(("added p50 at 1 connection, with the durable record, milliseconds", added, ADDED_BAR_MS))
    footprint = run.footprints.get(GOVERNED)
    if footprint is not None:
        sentence = f"resident memory of all processes with {footprint.sessions} open sessions, MB"
        rows.append((sentence, footprint.with_sessions.rss, MEMORY_BAR_MB))
    return rows


def text(run: Run) -> str:
    """Return the tables."""
    return "\n\n".join(part for part in (_machine(run), _bars(run), _calls(run), _memory(run), _further(run)) if part)


def write(document: Path, run: Run) -> None:
    """Put the tables into the document, between its marks."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{text(run)}\n\n{END}{after}", encoding="utf-8")


def _machine(run: Run) -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    peers = [_said("wrk", "-v"), _said("nginx", "-v"), _said(str(PEERS), "-c", _FASTMCP_VERSION)]
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


_FASTMCP_VERSION: Final = "import importlib.metadata as m; print('fastmcp', m.version('fastmcp'))"


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
            sentence,
            f"{measured:.2f}" if bar == ADDED_BAR_MS else f"{measured:.0f}",
            f"{bar:.0f}",
            "held" if measured <= bar else "MISSED",
        )
        for sentence, measured, bar in bars(run)
    ]
    return _table(("bar", "measured", "at most", ""), rows) if rows else ""


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
    head = ("", "connections", "calls/s", "p50 ms", "p99 ms", "CPU us/call", "errors")
    return "\n\n".join([_table(head, rows), *(f"Not measured: {sentence}" for sentence in run.missing)])


def _memory(run: Run) -> str:
    rows = [
        (name, *(f"{value:.0f}" for value in (*found.idle, *found.with_sessions)), str(found.sessions))
        for name, found in run.footprints.items()
    ]
    return _table(("MB", "RSS idle", "PSS idle", "RSS", "PSS", "with open sessions"), rows) if rows else ""


def _further(run: Run) -> str:
    record = f"One call leaves {run.trace.leaves:.2f} leaves, {run.trace.leaf_bytes:.0f} bytes, in the record. "
    whole = f"The record of this run: {run.record}."
    if not run.stages:
        return record + whole
    return record + whole + "\n\n" + stage_table(run.stages)


def stage_table(stages: Mapping[str, float]) -> str:
    """Return the table of stages, microseconds each."""
    return _table(("stage, warm, alone", "us"), [(name, f"{value:.2f}") for name, value in stages.items()])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    marks = ["---", *["--:"] * (len(head) - 1)] if len(head) > 2 else ["---"] * len(head)  # noqa: PLR2004 - a list of facts reads from the left
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))
