"""Which eras a server speaks: a pure state machine over what was pinned and what its answers gave away.

Sources: MCP 2026-07-28 basic/versioning and basic/transports (era detection). An era belongs to a kind: with sessions
or without, and that is all that has to be bridged. Time is a value, in seconds of a clock that never goes back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from tallystick.wire import ERAS, MODERN, Era

EXPIRES_S: Final = 300.0
"""Seconds after which "does not speak this era" is asked again: servers are upgraded, and rolled back."""

_NEWEST_WITH_SESSIONS: Final = "2025-11-25"


class Choice(NamedTuple):
    """The era to speak now. `doubt` is an era whose verdict is old: ask the server again, without keeping anybody."""

    era: Era
    doubt: Era | None = None


@dataclass(slots=True)
class _Belief:
    """`spoken` is None while nothing is known."""

    spoken: bool | None
    at: float


class Verdict:
    """What is believed of one server. `changes` counts changes of mind."""

    __slots__ = ("_beliefs", "_eras", "changes")

    def __init__(self, pinned: Iterable[str], now: float) -> None:
        """Start from the versions in which the server answered when it was pinned; from nothing, if there are none."""
        known = [ERAS[version] for version in pinned if version in ERAS]
        self._eras = {True: ERAS[_NEWEST_WITH_SESSIONS], False: ERAS[MODERN]}
        self._eras |= {era.sessions: era for era in known}
        self._beliefs = {kind: _Belief(None, now) for kind in (True, False)}
        for kind, belief in self._beliefs.items():
            belief.spoken = any(era.sessions == kind for era in known) if known else None
        self.changes = 0

    @property
    def spoken(self) -> tuple[str, ...]:
        """The versions that the server is believed to speak, the newest first."""
        return tuple(self._eras[kind].version for kind in (False, True) if self._beliefs[kind].spoken)

    def speaks(self, era: Era) -> bool:
        """Whether the era may be spoken, as far as is known."""
        return self._beliefs[era.sessions].spoken is not False

    def choose(self, wanted: Era, now: float) -> Choice:
        """Return the era to speak to the server for a client of the era `wanted`.

        An old "no" still holds for this caller; its answer names the doubt once, for somebody to look.
        """
        belief = self._beliefs[wanted.sessions]
        if belief.spoken is not False:
            return Choice(wanted)
        doubted = now - belief.at >= EXPIRES_S
        if doubted:
            belief.at = now
        # A server that speaks neither is asked in the client's own words: the plainest failure.
        chosen = self.other(wanted) if self._beliefs[not wanted.sessions].spoken is not False else wanted
        return Choice(chosen, self._eras[wanted.sessions] if doubted else None)

    def other(self, era: Era) -> Era:
        """Return the era of the other kind that this server would be spoken to in."""
        return self._eras[not era.sessions]

    def learn(self, era: Era, *, spoken: bool, now: float) -> None:
        """Take note of an answer that proves whether the server speaks an era."""
        belief = self._beliefs[era.sessions]
        if belief.spoken is not spoken:
            self.changes += 1
        belief.spoken, belief.at = spoken, now
