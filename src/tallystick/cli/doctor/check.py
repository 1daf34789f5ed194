"""What a check is, and how one that breaks is told."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from tallystick.terms import TallyError


class Told(NamedTuple):
    """What a check found. `evidence` is what was looked at, `fix` the next command or deed."""

    status: Literal["ok", "warning", "failed", "skipped"]
    evidence: str
    fix: str = ""


class Check(NamedTuple):
    """One check: its id, and the question itself."""

    id: str
    ask: Callable[[], Told]


def run(check: Check) -> dict[str, object]:
    """Return what a check found; one that cannot be answered has failed, and says why."""
    try:
        told = check.ask()
    except (TallyError, OSError, ValueError) as error:
        told = Told("failed", error.message if isinstance(error, TallyError) else str(error), "see the evidence")
    return {"id": check.id, **told._asdict()}
