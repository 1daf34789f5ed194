"""A circuit breaker for one server: after failures in a row nobody is sent there until a probe has come back.

Pure: time comes as a value, in seconds of a clock that never goes back. Callers are never used as probes: while the
circuit is open they are refused at once, and somebody else finds out when the server is back.
"""

from enum import Enum
from typing import Final, Literal

from tallystick.terms import Reason, Refusal

BreakerState = Literal["closed", "open", "half_open"]

THRESHOLD: Final = 5
"""Failures in a row after which a server is left alone."""

PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Seconds until the next probe, after each failed one in a row."""


class Weight(Enum):
    """What the end of a call says of the server behind it."""

    ALIVE = "alive"
    FAILED = "failed"
    NOTHING = "nothing"


_WEIGHTS: Final[dict[Reason, Weight]] = {
    Reason.UPSTREAM_UNREACHABLE: Weight.FAILED,
    Reason.UPSTREAM_BROKEN: Weight.FAILED,
    Reason.UPSTREAM_TIMEOUT: Weight.FAILED,
    # It answered, only too much at once.
    Reason.UPSTREAM_TOO_LARGE: Weight.ALIVE,
}


def weigh(refusal: Refusal) -> Weight:
    """Return what a call without an answer says of its server; any answer at all, also an error, says ALIVE."""
    return _WEIGHTS.get(refusal.reasons[0], Weight.NOTHING)


class Breaker:
    """The circuit of one server. For one event loop: not locked, never awaits.

    `state` is `closed` while calls pass, `open` while nothing does, `half_open` while one probe is under way. `since`
    is when it became so, `failures` counts failures in a row.
    """

    __slots__ = ("_failed_probes", "_not_before", "_threshold", "failures", "since", "state")

    def __init__(self, now: float, threshold: int = THRESHOLD) -> None:
        """Start closed."""
        self.state: BreakerState = "closed"
        self.since = now
        self.failures = 0
        self._threshold = threshold
        self._failed_probes = 0
        self._not_before = now

    @property
    def closed(self) -> bool:
        """Whether calls pass."""
        return self.state == "closed"

    def succeed(self) -> None:
        """Take note that a call came to an answer. One that was sent before the circuit opened does not close it."""
        if self.state == "closed":
            self.failures = self._failed_probes = 0

    def fail(self, now: float) -> bool:
        """Take note that a call failed; return whether that opened the circuit."""
        self.failures += 1
        if self.state != "closed" or self.failures < self._threshold:
            return False
        self._open(now)
        return True

    def wait(self, now: float) -> float:
        """Return the seconds until a probe is due, 0.0 where it is."""
        return max(0.0, self._not_before - now)

    def probe(self, now: float) -> bool:
        """Take the right to one probe; False while none is due, or while another one is under way."""
        if self.state != "open" or now < self._not_before:
            return False
        self._become("half_open", now)
        return True

    def probed(self, now: float, *, alive: bool) -> None:
        """Take note of how the probe ended.

        A good one wipes everything out, although calls may go on to fail: else one caller, whose calls time out, could
        have everybody kept away for longer and longer.
        """
        if self.state != "half_open":
            return
        if alive:
            self.failures = self._failed_probes = 0
            self._become("closed", now)
        else:
            self.failures += 1
            self._open(now)

    def _open(self, now: float) -> None:
        self._not_before = now + PAUSES_S[min(self._failed_probes, len(PAUSES_S) - 1)]
        self._failed_probes += 1
        self._become("open", now)

    def _become(self, state: BreakerState, now: float) -> None:
        self.state, self.since = state, now
