"""The account in the terminal: who did what, what was decided and why, how it ended, and where it is recorded.

Plain ASCII, as wide as the terminal; colours are dropped by whoever prints to something else.
"""

import textwrap
from itertools import groupby

from tallystick_demo_bank.demo.model import Check, Done, Step
from tallystick_demo_bank.demo.people import AGENT, CLIENT_NAME
from tallystick_demo_bank.demo.script import TITLES

_HEADS = ("STEP", "WHAT", "DECISION", "WHY", "OUTCOME", "RECORD")
_FIXED = (4, 8, 17, 8)
"""Widths of STEP, DECISION, OUTCOME and RECORD; WHAT and WHY share the rest."""
_LEAST = 80
_MOST = 150
_GREEN, _RED, _BOLD, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


class Table:
    """A table of fixed columns: the texts share the width that is left, and wrap inside of their cells."""

    def __init__(self, width: int) -> None:
        self.width = max(_LEAST, min(_MOST, width))
        left = self.width - sum(_FIXED) - 2 * len(_FIXED) - 2
        what = left * 2 // 5
        self._widths = (_FIXED[0], what, _FIXED[1], left - what, *_FIXED[2:])

    def heading(self) -> list[str]:
        """Return the names of the columns."""
        return ["", f"{_BOLD}{self._line(_HEADS)}{_PLAIN}"]

    def row(self, done: Done) -> list[str]:
        """Return a step as lines; one that did not hold also says what was expected."""
        observed, recorded = done.observed, done.recorded
        why = ", ".join((*observed.reasons, *observed.policies))
        outcome = " ".join((observed.outcome, *(f"({reason})" for reason in observed.because)))
        indices = () if recorded is None else (recorded.index, recorded.outcome_index)
        record = ", ".join(str(index) for index in indices if index is not None) or "none"
        progress = f", {observed.progress} progress reports" if observed.progress else ""
        decision = done.decision if done.decision in ("allow", "deny") else "refuse"
        cells = (str(done.n), done.step.what + progress, decision, why, outcome, record)
        lines = self._wrapped(cells)
        if not done.ok:
            wrong = textwrap.wrap(f"expected {done.step.expected}; observed {observed}", self.width - 9)
            lines += [f"{_RED}  FAILED {line}{_PLAIN}" for line in wrong]
        return lines

    def _wrapped(self, cells: tuple[str, ...]) -> list[str]:
        wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, self._widths, strict=True)]
        height = max(map(len, wrapped))
        return [self._line(tuple(cell[at] if at < len(cell) else "" for cell in wrapped)) for at in range(height)]

    def _line(self, cells: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, self._widths, strict=True)).rstrip()


def scene(step: Step) -> list[str]:
    """Return the heading of the steps that somebody takes in one session."""
    through = f"{step.agent}, acting for them" if step.agent else "itself" if step.who == AGENT else CLIENT_NAME
    return ["", f"{_BOLD}{step.who}{_PLAIN} ({TITLES[step.who]}) through {through}, {step.era}, at {step.route}"]


def scenes(steps: tuple[Step, ...]) -> list[tuple[Step, ...]]:
    """Return the steps in sessions: as long as person, agent, era and route stay, and nothing is done in between."""
    sessions = 0

    def session(step: Step) -> tuple[object, ...]:
        nonlocal sessions
        sessions += step.before is not None
        return (step.who, step.agent, step.era, step.route, sessions)

    return [tuple(group) for _, group in groupby(steps, session)]


def checked(check: Check, width: int) -> list[str]:
    """Return a check as lines."""
    verdict = f"{_GREEN}ok{_PLAIN}    " if check.ok else f"{_RED}FAILED{_PLAIN}"
    told = check.observed if check.ok else f"expected {check.expected}, observed {check.observed}"
    first, *rest = textwrap.wrap(f"{check.what}: {told}", width - 8)
    return [f"{verdict}  {first}", *(f"          {line}" for line in rest)]


def verdict(*, ok: bool, steps: int, failed: int) -> str:
    """Return the last word."""
    if ok:
        return f"{_GREEN}{_BOLD}Everything held:{_PLAIN} {steps} steps and every check."
    return f"{_RED}{_BOLD}NOT everything held:{_PLAIN} {failed} of the steps and checks failed; they are marked FAILED."
