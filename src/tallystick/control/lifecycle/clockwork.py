"""Taking what is due: one commit for each, so that one that cannot be taken keeps nothing else waiting."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tallystick.control.lifecycle.due import CLOCKWORK, due
from tallystick.control.model import Actor, Change, Committed, Key, Refused, Resource


class Changeable(Protocol):
    """Control state, as far as time changes it."""

    def all(self) -> Mapping[Key, Resource]:
        """Return every resource."""
        ...

    def commit(self, changes: Sequence[Change], actor: Actor, why: str = "") -> Committed | Refused:
        """Make changes, all or none."""
        ...


def tick(state: Changeable, now: float) -> tuple[Refused, ...]:
    """Take everything that is due at `now` (seconds since the epoch); return what was refused, to be tried again.

    To be called at the start and every minute. Several processes may: what one has taken is not due for the others.
    """
    taken = (state.commit([change], CLOCKWORK, "its time has come") for change in due(state.all().values(), now))
    return tuple(outcome for outcome in taken if not isinstance(outcome, Committed))
