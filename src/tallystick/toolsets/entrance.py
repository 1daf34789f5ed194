"""Who finds a toolset: its audience, and callers that a grant lets in until it ends.

Whoever is let in may still do only what policy allows.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tallystick.registry import Toolset, model
from tallystick.terms import Caller


class Admitted(NamedTuple):
    """How somebody was let in: until when (seconds since 1970), and to which published tools; None: to all there is."""

    until: float
    tools: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Entrance:
    """The door of one toolset. The grants are the approved ones for it, whether they have ended or not."""

    audience: model.Audience
    grants: tuple[model.Grant, ...]

    def admit(self, caller: Caller, now: float) -> Admitted | None:
        """Return how `caller` is let in at `now`, None if not at all. Nothing may keep the answer beyond `until`."""
        if _is_of(self.audience, caller):
            return Admitted(math.inf, None)
        given = [grant for grant in self.grants if now < _end(grant) and _is_of(grant.to, caller)]
        if not given:
            return None
        whole = [grant for grant in given if grant.tools is None]
        tools = None if whole else frozenset(str(tool) for grant in given for tool in grant.tools or ())
        # The first end counts: who is let in by several grants is let in anew by those that are left.
        return Admitted(min(_end(grant) for grant in given), tools)


def entrance_of(toolset: Toolset, grants: Mapping[str, model.Grant]) -> Entrance | None:
    """Return the door of a toolset; None where it has no audience, and so is open to its tenant."""
    if toolset.audience is None:
        return None
    # INVARIANT: only an approved grant lets anybody in, and only where it belongs.
    approved = (
        grant
        for grant in grants.values()
        if grant.state == "approved" and grant.toolset == toolset.name and grant.tenant == toolset.tenant
    )
    return Entrance(toolset.audience, tuple(approved))


def _end(grant: model.Grant) -> float:
    return math.inf if grant.expires_at is None else grant.expires_at


def _is_of(audience: model.Audience, caller: Caller) -> bool:
    return (
        caller.subject in (audience.people if caller.kind == "person" else audience.agents)
        or caller.client in audience.clients
        or not _apart(audience.groups, caller.groups)
        or not _apart(audience.agents, caller.actors)
    )


def _apart(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return not some or not others or frozenset(some).isdisjoint(others)
