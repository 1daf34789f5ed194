"""The words of watching: how often, within what bounds, and who is told of what differs."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from tallystick.registry import definition
from tallystick.registry import model as registry
from tallystick.terms import Clock, ServerId


class Bounds(NamedTuple):
    """Times in seconds, as in the settings `definitions`: `every_s` between two looks at a server that nobody calls,
    `fresh_s` for which a look holds for its caller (`fresh_high_s` for tools of high and critical risk), `timeout_s` a
    look may take.
    """

    every_s: float = 300.0
    fresh_s: float = 60.0
    fresh_high_s: float = 10.0
    timeout_s: float = 10.0


class Clocks(NamedTuple):
    """`wall` dates what is reported; `steady`, which never goes back, tells how long ago a look was."""

    wall: Clock
    steady: Callable[[], float] = time.monotonic


class Report(NamedTuple):
    """What was seen of a server. `quarantined` is what is held back because of it, by tool, "*" for all of it; empty
    where something is new only, which is hidden anyway. `observed` is what approving it would pin.
    """

    server: ServerId
    quarantined: Mapping[str, registry.Quarantine]
    findings: tuple[definition.Finding, ...]
    observed: definition.Definition
    at: str


class Quarantines(Protocol):
    """Where it is kept what is held back, so that every gateway and every restart knows it."""

    async def report(self, report: Report) -> None:
        """Keep a report; raises TallyError where that cannot be done now, and is called again later then."""
        ...
