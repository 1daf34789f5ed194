"""`make bench`: the same tool call, on the same upstream server, through everybody; and other kinds of call."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import contestants as who
from bench import peers, report
from bench.configuration import TENANT
from bench.contestants import Contestant, Place
from bench.inprocess import measure_in_process
from bench.measure import Figure, Footprint, Trace, check, footprint, measure, trace, verify
from bench.processes import raise_open_files
from bench.streams import Idle, measure_idle

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENT: Final = ROOT / "docs" / "performance.md"
_Starter = Callable[[Place, ExitStack], list[Contestant]]

# Who is compared closely is measured side by side; what runs apart would only disturb the others meanwhile.
_TOGETHER: Final[tuple[tuple[tuple[str, ...], _Starter], ...]] = (
    (("direct",), who.direct),
    (("nginx",), peers.nginx),
    (("fastmcp",), peers.fastmcp),
    (who.TALLYSTICK_ROWS, who.tallystick),
)
_APART: Final[tuple[tuple[tuple[str, ...], _Starter], ...]] = (
    (("workers",), who.workers),
    (("result-1m",), who.large),
    (("toolset",), who.toolset),
    (("contextforge",), peers.contextforge),
    (("litellm",), peers.litellm),
)
_STREAMS: Final = "streams"
_STAGES: Final = "stages"
_IN_PROCESS: Final = "in-process"
ROWS: Final = (
    *(row for rows, _ in (*_TOGETHER, *_APART) for row in rows),
    *(_STREAMS, _IN_PROCESS, _STAGES),
)
_SLOW_SESSIONS: Final = 100
_BROKEN: Final = (RuntimeError, OSError, TimeoutError, ImportError, AttributeError, TypeError, ValueError)
"""What a peer or an inner stage may fail with without taking the other figures along."""


@dataclass(slots=True)
class _Found:
    """What a run has found so far."""

    figures: list[Figure] = field(default_factory=list["Figure"])
    footprints: dict[str, Footprint] = field(default_factory=dict[str, "Footprint"])
    missing: list[str] = field(default_factory=list[str])
    records: list[str] = field(default_factory=list[str])
    trace: Trace | None = None
    wrong: int = 0


def run(options: argparse.Namespace) -> tuple[report.Run, int]:
    """Measure; return what was found and how many answers were wrong."""
    busy = os.getloadavg()[0]
    raise_open_files()
    found, rows = _Found(), frozenset(options.only)
    idle: Idle | None = None
    with who.upstream(options.folder, rows) as place:
        _measure_group(place, [entry for entry in _TOGETHER if rows & {*entry[0]}], options, found)
        for entry in _APART:
            if rows & {*entry[0]}:
                _measure_group(place, [entry], options, found)
        if _STREAMS in rows:
            try:
                idle = measure_idle(place, options.streams)
            except _BROKEN as error:
                _miss(found, _STREAMS, error)
    inner = _inner(options, rows, found)
    day = datetime.fromtimestamp(options.folder.stat().st_mtime, UTC).date().isoformat()
    told = (inner[_STAGES], found.missing, day, busy, _command(options), options.seconds, options.rounds)
    records = "; ".join(found.records)
    whole = report.Run(found.figures, found.footprints, found.trace, records, *told, inner[_IN_PROCESS], idle)
    return whole, found.wrong + sum(figure.errors for figure in found.figures)


def _measure_group(
    place: Place, group: Sequence[tuple[tuple[str, ...], _Starter]], options: argparse.Namespace, found: _Found
) -> None:
    """Start some contestants, measure them side by side, look at what they recorded, and end them."""
    with ExitStack() as stack:
        present: list[Contestant] = []
        for rows, starter in group:
            try:
                started = starter(place, stack)
                present += [contestant for contestant in started if _is_right(contestant, found)]
            except _BROKEN as error:
                # Somebody who is not there is a finding, not a reason to measure nothing.
                _miss(found, rows[0], error)
        _memories(present, options.sessions, found)
        _figures(present, place, options, found)
        _records(present, place, found)


def _is_right(contestant: Contestant, found: _Found) -> bool:
    wrong = check(contestant)
    if wrong:
        found.wrong += wrong
        found.missing.append(f"{contestant.row}: {wrong} wrong answers of {contestant.name} in the sample")
    return not wrong


def _miss(found: _Found, row: str, error: BaseException) -> None:
    sentence = f"{row}: {' '.join(str(error).split()) or type(error).__name__}"
    found.missing.append(sentence)
    print(f"bench: not measured: {sentence}", file=sys.stderr, flush=True)


def _memories(present: Sequence[Contestant], sessions: int, found: _Found) -> None:
    charged: set[int] = set()
    for contestant in present:
        if contestant.pid is None or contestant.pid in charged:
            continue
        charged.add(contestant.pid)
        # A proxy that knows nothing of MCP has no sessions to open; a thousand of a slow peer would take a minute.
        most = min(sessions, _SLOW_SESSIONS) if contestant.slow else sessions
        count = 0 if contestant.row in {"nginx", "toolset", "result-1m"} else most
        try:
            made = footprint(contestant, count)
        except _BROKEN as error:
            _miss(found, f"{contestant.row}, memory", error)
            continue
        if made is not None:
            found.footprints[contestant.name] = made


def _figures(present: Sequence[Contestant], place: Place, options: argparse.Namespace, found: _Found) -> None:
    # Round by round, so that a busy minute of the machine meets everybody.
    for number in range(options.rounds):
        for contestant in present:
            for connections in (each for each in contestant.connections if each in options.connections):
                figure = measure(contestant, connections, options.seconds, place.folder)
                found.figures.append(figure)
                cpu = "-" if figure.cpu_us is None else f"{figure.cpu_us:.0f}"
                told = f"{figure.calls_per_s:.0f}/s, p50 {figure.p50:.2f} ms, CPU {cpu} us, {figure.errors} errors"
                print(f"round {number + 1}: {contestant.name}, {connections}: {told}", file=sys.stderr, flush=True)


def _records(present: Sequence[Contestant], place: Place, found: _Found) -> None:
    """Verify the record of each gateway of ours that was measured; of the governed call, also what one call leaves."""
    for contestant in present:
        folder = contestant.row if contestant.row in who.SITES else "tallystick"
        if not contestant.name.startswith("Tallystick") or any(told.startswith(folder) for told in found.records):
            continue
        log = next((place.folder / folder / "state" / "audit" / TENANT).iterdir())
        if contestant.row == "governed":
            found.trace = trace(contestant, log)
        found.records.append(f"{folder}: {verify(log)}")


def _inner(options: argparse.Namespace, rows: frozenset[str], found: _Found) -> dict[str, dict[str, float]]:
    """Measure inside the gateway; what its inner changes break is left out with its reason."""
    told: dict[str, dict[str, float]] = {_IN_PROCESS: {}, _STAGES: {}}
    try:
        if _IN_PROCESS in rows:
            told[_IN_PROCESS] = measure_in_process(options.folder / "inprocess", options.windows)
    except _BROKEN as error:
        _miss(found, _IN_PROCESS, error)
    try:
        if _STAGES in rows:
            from bench.stages import measure_stages  # noqa: PLC0415 - it knows the rooms closely, and may not fit them

            told[_STAGES] = measure_stages(options.folder / "stages")
    except _BROKEN as error:
        _miss(found, _STAGES, error)
    return told


def _command(options: argparse.Namespace) -> str:
    words = ["--write"] if options.write else []
    if tuple(options.only) != ROWS:
        words.append(f"--only {','.join(options.only)}")
    return f'make bench ARGS="{" ".join(words)}"' if words else "make bench"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit code 1 when an answer was wrong. A missed bar is told: a busy machine misses them too."""
    options = _parser().parse_args(arguments)
    if shutil.which("wrk") is None:
        print("SKIPPED LANE: bench because wrk is missing (Debian: apt-get install wrk)")
        return 0
    found, wrong = run(options)
    print(report.text(found))
    if options.write:
        report.write(DOCUMENT, found)
    for bar in report.bars(found):
        if not bar.held:
            print(f"bench: missed: {bar.sentence}")
    if wrong:
        print(f"bench: {wrong} wrong answers")
    return 1 if wrong else 0


def _rows(text: str) -> list[str]:
    rows = [row for row in text.split(",") if row]
    if unknown := sorted({*rows} - {*ROWS}):
        message = f"no such row: {', '.join(unknown)} (there are {', '.join(ROWS)})"
        raise argparse.ArgumentTypeError(message)
    return [row for row in ROWS if row in rows]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--only", type=_rows, default=list(ROWS), metavar="ROW,ROW", help=f"rows: {', '.join(ROWS)}")
    parser.add_argument("--seconds", type=int, default=3, help="seconds for each figure (default 3)")
    parser.add_argument("--rounds", type=int, default=2, help="repetitions, of which the quietest counts (default 2)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64], help="connections (default 1 16 64)")
    parser.add_argument("--sessions", type=int, default=1000, help="sessions opened to look at memory (default 1000)")
    parser.add_argument("--streams", type=int, default=10_000, help="idle streams (default 10000)")
    parser.add_argument("--windows", type=int, default=200, help="windows of 20 ms in process (default 200)")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "var" / "bench" / "run", help="files of the run, made anew"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
