"""The legs of a run: which two sets of passed checks are compared, and how each of them comes to be."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from conformance import suite
from conformance.configuration import Upstream
from conformance.running import fixture, open_gateway, piped
from conformance.suite import ERAS, Verdicts

MODERN: Final = "2026-07-28"
SESSIONS: Final = "2025-11-25"

CLIENT_SCENARIOS: Final = {
    SESSIONS: ("initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"),
    MODERN: (
        "tools_call",
        "request-metadata",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "sep-2322-client-request-state",
    ),
}
"""What a revision requires of a client, but for `auth/*`: the gateway authenticates to no server yet."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One leg's outcome: the same checks, directly and through the gateway."""

    leg: str
    required: tuple[str, ...]
    direct: Verdicts
    through: Verdicts

    def counted(self) -> str:
        """Return both sides in numbers."""
        of = len(self.required)
        return "; ".join(
            f"{way} {side.green(self.required)}/{of} required scenarios, {len(side.passed)} checks"
            for way, side in (("directly", self.direct), ("through the gateway", self.through))
        )

    def differences(self) -> dict[str, str]:
        """Return each check that passed on one side only or fails through the gateway only, with what was said."""
        lost = {check: f"lost: {self.through.why(check)}" for check in self.direct.passed - self.through.passed}
        won = {check: f"won: directly {self.direct.why(check)}" for check in self.through.passed - self.direct.passed}
        red = self.through.red - self.direct.red - self.direct.passed
        broken = {check: f"fails: directly {self.direct.why(check)}; {self.through.why(check)}" for check in red}
        return dict(sorted((lost | won | broken).items()))


Leg = Callable[[Path], Compared]
NamedLeg = Callable[[str, Path], Compared]
Serving = Callable[[Path], AbstractContextManager[Upstream]]
"""Starts the server of a leg, with its files in a folder; yields where it is."""


class Directly:
    """The suite against the fixture itself. It is the measure of several legs, and is run once per revision."""

    def __init__(self) -> None:
        self._known: dict[str, Verdicts] = {}

    def __call__(self, folder: Path, era: str) -> Verdicts:
        """Return what the fixture passes."""
        if era not in self._known:
            with fixture(folder / f"direct-{era}") as url:
                self._known[era] = suite.server(url, era, folder / f"direct-{era}" / "results")
        return self._known[era]


def legs() -> dict[str, Leg]:
    """Return every leg by its name, which the baseline uses."""
    directly = Directly()
    found: dict[str, NamedLeg] = {}
    for era in ERAS:
        found[f"server {era}"] = _server_leg(directly, era, partial(fixture, era=None))
    for era, other in (ERAS, ERAS[::-1]):
        found[f"server {era} on a server of {other} only"] = _server_leg(directly, era, partial(fixture, era=other))
    for era, other in (ERAS, ERAS[::-1]):
        found[f"server {era} on a server of {other} only over stdio"] = _server_leg(
            directly, era, partial(piped, other)
        )
    for era in ERAS:
        found[f"client {era}"] = _client_leg(era)
    return {name: partial(run, name) for name, run in found.items()}


def _server_leg(directly: Directly, era: str, server: Serving) -> NamedLeg:
    def run(leg: str, folder: Path) -> Compared:
        place = folder / leg.replace(" ", "-")
        with ExitStack() as stack:
            upstream = stack.enter_context(server(place))
            url = stack.enter_context(open_gateway(place, upstream))
            through = suite.server(url, era, place / "results")
        return Compared(leg, suite.required(era), directly(folder, era), through)

    return run


def _client_leg(era: str) -> NamedLeg:
    def run(leg: str, folder: Path) -> Compared:
        sides: list[Verdicts] = []
        for way in ("direct", "gateway"):
            place = folder / f"client-{era}-{way}"
            found = [
                suite.client(
                    [sys.executable, "-m", "conformance.client", "--era", era, "--way", way, "--folder", str(place)],
                    scenario,
                    era,
                    place / "results" / scenario,
                )
                for scenario in CLIENT_SCENARIOS[era]
            ]
            sides.append(_together(found))
        return Compared(leg, CLIENT_SCENARIOS[era], *sides)

    return run


def _together(parts: list[Verdicts]) -> Verdicts:
    return Verdicts(
        frozenset(check for part in parts for check in part.passed),
        frozenset(check for part in parts for check in part.failed),
        all(part.required_ok for part in parts),
        {check: text for part in parts for check, text in part.told.items()},
    )
