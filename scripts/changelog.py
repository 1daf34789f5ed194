#!/usr/bin/env python
"""Puts the fragments of changes/ at the top of CHANGELOG.md. With --check it only reads them, for `make check`."""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("security", "removed", "changed", "added", "fixed")
HEAD = "# Changelog\n"


def fragments(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Kind -> its fragments; ends the program if a file is not a fragment."""
    found: dict[str, list[tuple[Path, str]]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.iterdir()):
        if path.name == "README.md":
            continue
        named = re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(KINDS)})\.md", path.name)
        text = " ".join(path.read_text().split())
        if named is None or not text:
            sys.exit(f"changes/{path.name}: not <short-name>.<{'|'.join(KINDS)}>.md, or empty")
        found[named[1]].append((path, text))
    return found


def section(version: str, date: str, found: dict[str, list[tuple[Path, str]]]) -> str:
    """The part of the changelog for one release."""
    lines = [f"## {version} ({date})\n"]
    for kind in KINDS:
        if found[kind]:
            lines += [f"### {kind.capitalize()}\n", *(f"- {text}" for _, text in found[kind]), ""]
    return "\n".join(lines)


def main() -> None:
    """Check the fragments, or gather them into the changelog and remove them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="read only; exit code 1 if a fragment is wrong")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to work on")
    parser.add_argument("version", nargs="?", help="the version to release, such as 0.1.0")
    parser.add_argument("date", nargs="?", help="its date, YYYY-MM-DD")
    options = parser.parse_args()
    found = fragments(options.root / "changes")
    if options.check:
        return
    if not (options.version and options.date):
        parser.error("a release needs a version and a date")
    log = options.root / "CHANGELOG.md"
    earlier = log.read_text().removeprefix(HEAD).lstrip() if log.exists() else ""
    log.write_text(f"{HEAD}\n{section(options.version, options.date, found)}\n{earlier}".rstrip() + "\n")
    for path, _ in (fragment for kind in KINDS for fragment in found[kind]):
        path.unlink()


if __name__ == "__main__":
    main()
