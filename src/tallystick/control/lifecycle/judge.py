"""Judging a step by the table."""

from tallystick.control.lifecycle.gates import GATES
from tallystick.control.lifecycle.model import Facts, Unmet
from tallystick.control.lifecycle.table import TABLE, Move
from tallystick.control.model import Kind, State, Step


def move(kind: Kind, source: State, target: State) -> Move | None:
    """Return the row of the table for a step, or None where it has none."""
    for row in TABLE:
        if (row.source, row.target) == (source, target) and kind in row.gates:
            return row
    return None


def verb(source: State, target: State) -> str | None:
    """Return what a step is called, for permissions and for people; None where the table has no such step."""
    row = move("Server", source, target)
    return None if row is None else row.verb


def judge(step: Step, facts: Facts) -> tuple[Unmet, ...]:
    """Return every gate that stands against a step, in the order of the table; none: it may be taken."""
    resource = facts.resource
    row = move(resource.kind, resource.state, step.to)
    if row is None:
        return (_no_such_step(step, facts),)
    judged = (GATES[code].judge(step, facts) for code in row.gates[resource.kind])
    return tuple(unmet for unmet in judged if unmet is not None)


def _no_such_step(step: Step, facts: Facts) -> Unmet:
    kind, source = facts.resource.kind, facts.resource.state
    allowed = [row.target for row in TABLE if row.source == source and kind in row.gates]
    then = f"From there it can become: {', '.join(allowed)}." if allowed else "From there no step leads anywhere."
    return Unmet("no_such_step", f"{facts.resource.key} is {source} and cannot become {step.to}.", then)
