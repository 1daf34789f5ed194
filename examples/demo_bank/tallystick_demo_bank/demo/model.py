"""What is expected of a step, what was observed, and what else was checked; all of it plain values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Say = Callable[[str], None]
"""Where the account goes, a line at a time."""

MODERN = "2026-07-28"
LEGACY = "2025-11-25"

Turn = Literal["answer", "cancel", "kill"]
"""What the driver does at the first progress report of a call: wait for its answer, cancel it, kill the server."""

Stage = Literal["restart the risk database", "freeze transfers", "break a policy", "thaw transfers"]
"""What the driver does before a step."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a step comes to; expected and observed are two of these, and equal when the step held.

    `outcome` is the record's word (success, tool_error, denied, ...). `reasons` and `policies` explain the decision,
    `because` the outcome of a call that was allowed. `shows` and `hides` are texts that the answer must and must not
    contain. `progress` counts progress reports (None: not looked at). `caller` is the subject and whoever acts for it.
    """

    outcome: str
    caller: str
    reasons: tuple[str, ...] = ("policy_allows",)
    policies: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    progress: int | None = None

    def __str__(self) -> str:
        """Return it as one line."""
        parts = [f"{self.outcome} for {self.caller}", f"{', '.join(self.reasons)} {' '.join(self.policies)}".strip()]
        if self.because:
            parts.append(f"because {', '.join(self.because)}")
        if self.progress is not None:
            parts.append(f"{self.progress} progress reports")
        parts += [f"shows {text!r}" for text in self.shows] + [f"does not show {text!r}" for text in self.hides]
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that somebody does. `tool` is the published name; None lists the tools of the route.

    `agent` acts for `who`, where given. `before` is what the driver does first. `receipt`: the client asks for one.
    """

    who: str
    era: str
    route: str
    tool: str | None
    arguments: dict[str, object]
    expected: Account
    what: str
    agent: str | None = None
    turn: Turn = "answer"
    before: Stage | None = None
    receipt: bool = False

    @property
    def method(self) -> str:
        """The MCP method."""
        return "tools/list" if self.tool is None else "tools/call"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the client saw: `outcome` as far as a client can know it, the refusal's reasons and record number.

    `receipt` is the one that came with the reply, as JSON.
    """

    outcome: Literal["success", "tool_error", "refused", "cancelled", "broken"]
    text: str = ""
    reasons: tuple[str, ...] = ()
    record: int | None = None
    progress: int = 0
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the record says of a step: the leaf with the decision, and the one with the outcome where there are two."""

    index: int
    fields: dict[str, object]
    outcome_index: int | None = None
    outcome: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was played."""

    n: int
    step: Step
    observed: Account
    recorded: Recorded | None
    decision: str
    client: str
    receipt: str = ""

    @property
    def ok(self) -> bool:
        """Whether what was expected is what happened."""
        return self.observed == self.step.expected


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold over the whole run."""

    what: str
    expected: str
    observed: str

    @property
    def ok(self) -> bool:
        """Whether it held."""
        return self.expected == self.observed
