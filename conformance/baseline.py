"""Differences that are known: each with its reason. One that has gone is stale, and fails a run like a new one."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent / "baseline.toml"


@dataclass(frozen=True, slots=True)
class Known:
    """One entry. `check` is `scenario:id/name`, `leg` a leg's name; in both `*` stands for anything.

    It holds for every leg that it names, so where one of these has no such difference, it is stale.
    """

    leg: str
    check: str
    reason: str


def read(file: Path = FILE) -> tuple[Known, ...]:
    """Return the entries. Raises KeyError or TypeError where one is not whole."""
    entries: list[dict[str, str]] = tomllib.loads(file.read_text()).get("difference", [])
    known = tuple(Known(**entry) for entry in entries)
    for entry in known:
        if not entry.reason.strip():
            message = f"{file.name}: {entry.check} has no reason"
            raise KeyError(message)
    return known


def strangers(known: Sequence[Known], legs: Iterable[str]) -> set[str]:
    """Return the names that belong to no leg."""
    names = list(legs)
    return {entry.leg for entry in known if not any(fnmatchcase(leg, entry.leg) for leg in names)}


def unexplained(differences: Mapping[str, str], leg: str, known: Sequence[Known]) -> dict[str, str]:
    """Return the differences of a leg that no entry names."""
    names = _checks(leg, known)
    return {check: text for check, text in differences.items() if not any(fnmatchcase(check, name) for name in names)}


def stale(differences: Mapping[str, str], leg: str, known: Sequence[Known]) -> list[str]:
    """Return the checks of a leg's entries that name no difference any more."""
    return [name for name in _checks(leg, known) if not any(fnmatchcase(check, name) for check in differences)]


def _checks(leg: str, known: Sequence[Known]) -> list[str]:
    return [entry.check for entry in known if fnmatchcase(leg, entry.leg)]
