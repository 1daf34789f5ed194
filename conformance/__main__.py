"""Run legs and print what they compare; ends with 0 only if every difference is known and every known one is there."""

import argparse
import json
import shutil
import sys
from collections.abc import Collection
from typing import Final

from conformance import baseline, suite
from conformance.legs import Compared, legs

_FOLDER: Final = suite.HOME / "runs"


def main() -> int:
    """Run the legs named, by a whole name or a part of several; all without any."""
    every = legs()
    parser = argparse.ArgumentParser(prog="python -m conformance")
    parser.add_argument("--list", action="store_true", help="name the legs and end")
    parser.add_argument("words", nargs="*", help="names of legs, or parts of names")
    options = parser.parse_args()
    words: list[str] = options.words
    chosen = [name for name in every if not words or any(_named(word, name, every) for word in words)]
    if options.list:
        print(*chosen, sep="\n")
        return 0
    if not suite.installed():
        print("SKIPPED LANE: conformance because the suite is not installed (scripts/conformance-setup)")
        return 2
    shutil.rmtree(_FOLDER, ignore_errors=True)
    known = baseline.read()
    strangers = baseline.strangers(known, every)
    bad = len(strangers)
    for leg in sorted(strangers):
        print(f"{baseline.FILE.name}: there is no leg {leg!r}")
    for name in chosen:
        bad += _report(every[name](_FOLDER), known)
    print("conformance: equal, but for what the baseline explains" if not bad else f"conformance: {bad} problem(s)")
    return 1 if bad else 0


def _named(word: str, name: str, every: Collection[str]) -> bool:
    return word == name if word in every else word in name


def _report(found: Compared, known: tuple[baseline.Known, ...]) -> int:
    differences = found.differences()
    new = baseline.unexplained(differences, found.leg, known)
    gone = baseline.stale(differences, found.leg, known)
    print(f"{found.leg}: {found.counted()}; {len(differences)} differ, {len(differences) - len(new)} of them known")
    (_FOLDER / f"{found.leg.replace(' ', '-')}.json").write_text(
        json.dumps({"direct": sorted(found.direct.passed), "through": sorted(found.through.passed)}, indent=1)
    )
    for check, text in new.items():
        print(f"  NEW   {check}\n        {text}")
    for check in gone:
        print(f"  STALE {check}: no such difference any more, remove it from {baseline.FILE.name}")
    if not found.direct.required_ok:
        print(f"  DIRECT: a required scenario fails without the gateway: {sorted(found.direct.failed)}")
    return len(new) + len(gone) + (not found.direct.required_ok)


if __name__ == "__main__":
    sys.exit(main())
