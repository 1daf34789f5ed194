"""What a step is judged by, and how a gate that is not met is told."""

from dataclasses import dataclass
from typing import NamedTuple

from tallystick.control.model import Actor, Resource


class Unmet(NamedTuple):
    """A gate that is not met: its code, what is wrong, and what to do about it."""

    code: str
    text: str
    do: str

    def __str__(self) -> str:
        """Return it as one line for people."""
        return f"{self.text} {self.do}"


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a step is judged by, read in the transaction that takes it.

    `now` is RFC 3339, UTC. `pin` is the pin of a server. `editors` are the names of all who changed the spec since the
    last approval (since the beginning where there was none), `submitter` is who last submitted it for review. `scope`
    is the toolset or the server that a grant speaks of. `shared`: there are several tenants beside each other.
    """

    resource: Resource
    actor: Actor
    now: str
    pin: Resource | None = None
    editors: tuple[str, ...] = ()
    submitter: str = ""
    scope: Resource | None = None
    shared: bool = False
