"""Stand-in of the lifecycle until its room is there."""

from dataclasses import dataclass

from tallystick.control.model import Actor, Put, Resource, State, Step


@dataclass(frozen=True, slots=True)
class Facts:
    """What gates look at."""

    resource: Resource
    actor: Actor
    now: str
    pin: Resource | None
    editors: tuple[str, ...]
    submitter: str
    scope: Resource | None


@dataclass(frozen=True, slots=True)
class Unmet:
    """A gate that is not met."""

    code: str
    text: str
    do: str


def judge(step: Step, facts: Facts) -> tuple[Unmet, ...]:
    """Let everything pass but a step to the same state."""
    if step.to == facts.resource.state and step.to != "approved":
        return (Unmet("no_such_step", "is that already", "leave it"),)
    return ()


def standing(before: Resource | None, put: Put) -> State:
    """State after a put."""
    return put.state or ("draft" if before is None else before.state)
