"""Refusals are returned as values; `TallyError` is raised only for bugs and broken machinery."""

from dataclasses import dataclass
from typing import Literal

from tallystick.terms.decision import Decision
from tallystick.terms.reason import Reason

Code = Literal[
    "invalid",
    "unauthenticated",
    "denied",
    "not_found",
    "conflict",
    "approval_required",
    "limited",
    "unavailable",
    "upstream",
    "internal",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A "no" that travels as a value to the one place where it is recorded and told.

    `public_text` is shown to the caller: it says what was refused and what to do next, and never carries inner detail.
    `detail` is for the operator (logs, record) and never leaves. `decision` is set where policy was asked and said no.
    """

    code: Code
    reasons: tuple[Reason, ...]
    public_text: str
    detail: str = ""
    policy_ids: tuple[str, ...] = ()
    decision: Decision | None = None


class TallyError(Exception):
    """Root of every exception that Tallystick raises: a bug or broken machinery, never a decision."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
