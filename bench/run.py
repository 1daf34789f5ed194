"""`make bench`: the same tool call, on the same upstream server, through everybody in one run."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import contestants as who
from bench import report
from bench.configuration import TENANT
from bench.contestants import Contestant, Place
from bench.measure import Figure, Footprint, check, footprint, measure, trace, verify
from bench.stages import measure_stages

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENT: Final = ROOT / "docs" / "performance.md"
_STARTERS: Final = {"direct": who.direct, "nginx": who.nginx, "fastmcp": who.fastmcp, "tallystick": who.tallystick}


def run(options: argparse.Namespace) -> report.Run:
    """Measure. Raises RuntimeError when Tallystick cannot be measured or anything answers wrongly."""
    busy = os.getloadavg()[0]
    with ExitStack() as stack:
        place = stack.enter_context(who.upstream(options.folder))
        present, missing = _start(place, stack, options.only)
        variants = [entry for entry in present if entry.name.startswith("Tallystick")]
        present = [entry for entry in present if entry not in variants[options.variants :]]
        for contestant in present:
            if wrong := check(contestant):
                message = f"{contestant.name}: {wrong} wrong answers in the sample"
                raise RuntimeError(message)
        memories = _memories(present, options.sessions)
        figures = [*_figures(present, place, options)]
        governed = next(contestant for contestant in present if contestant.name == report.GOVERNED)
        log = next((place.folder / "state" / "audit" / TENANT).iterdir())
        left, record = trace(governed, log), verify(log)
    stages = {} if options.no_stages else measure_stages(options.folder / "stages")
    command = f"make bench{' ARGS=--write' if options.write else ''}"
    day = datetime.fromtimestamp(options.folder.stat().st_mtime, UTC).date().isoformat()
    told = (stages, missing, day, busy, command, options.seconds, options.rounds)
    return report.Run(figures, memories, left, record, *told)


def _start(place: Place, stack: ExitStack, only: Sequence[str]) -> tuple[list[Contestant], list[str]]:
    present: list[Contestant] = []
    missing: list[str] = []
    for name in only:
        try:
            present += _STARTERS[name](place, stack)
        except RuntimeError as error:
            if name == "tallystick":
                raise
            # A peer that is not there is a finding, not a reason to measure nothing.
            missing.append(f"{name}: {error}")
    return present, missing


def _memories(present: Sequence[Contestant], sessions: int) -> dict[str, Footprint]:
    found: dict[str, Footprint] = {}
    charged: set[int] = set()
    for contestant in present:
        if contestant.pid is None or contestant.pid in charged:
            continue
        charged.add(contestant.pid)
        # A proxy that knows nothing of MCP has no sessions to open.
        made = footprint(contestant, 0 if contestant.name.startswith("nginx") else sessions)
        if made is not None:
            found[contestant.name] = made
    return found


def _figures(present: Sequence[Contestant], place: Place, options: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    # Round by round, so that a busy minute of the machine meets everybody.
    for number in range(options.rounds):
        for contestant in present:
            for connections in options.connections:
                figure = measure(contestant, connections, options.seconds, place.folder)
                figures.append(figure)
                cpu = "-" if figure.cpu_us is None else f"{figure.cpu_us:.0f}"
                told = f"{figure.calls_per_s:.0f}/s, p50 {figure.p50:.2f} ms, CPU {cpu} us, {figure.errors} errors"
                print(f"round {number + 1}: {contestant.name}, {connections}: {told}", file=sys.stderr, flush=True)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit code 1 when an answer was wrong. A missed bar is told: a busy machine misses them too."""
    options = _parser().parse_args(arguments)
    if shutil.which("wrk") is None:
        print("SKIPPED LANE: bench because wrk is missing (Debian: apt-get install wrk)")
        return 0
    found = run(options)
    print(report.text(found))
    if options.write:
        report.write(DOCUMENT, found)
    wrong = sum(figure.errors for figure in found.figures)
    missed = [sentence for sentence, measured, bar in report.bars(found) if measured > bar]
    for sentence in missed:
        print(f"bench: missed: {sentence}")
    if wrong:
        print(f"bench: {wrong} wrong answers")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--seconds", type=int, default=4, help="seconds for each figure (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions, of which the quietest counts (default 3)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64], help="connections (default 1 16 64)")
    parser.add_argument("--sessions", type=int, default=1000, help="sessions opened to look at memory (default 1000)")
    parser.add_argument("--only", nargs="+", choices=_STARTERS, default=list(_STARTERS), help="who is measured")
    parser.add_argument("--variants", type=int, default=9, help="kinds of call that Tallystick is measured with")
    parser.add_argument("--no-stages", action="store_true", help="leave out the stages of one call")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "var" / "bench" / "run", help="files of the run, made anew"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
