"""The circuit of one server: fed by the ends of calls, closed again by probes that no caller waits for."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tallystick.gateway.bridge.way import Way
from tallystick.guard import Breaker, BreakerState, Weight, weigh
from tallystick.terms import Reason, Refusal
from tallystick.wire import Reply

_log: Final = logging.getLogger(__name__)

OPEN: Final = Refusal(
    "unavailable",
    (Reason.CIRCUIT_OPEN,),
    "The server failed several times in a row and is left alone until it answers again. Try later; nothing was sent.",
)


@dataclass(frozen=True, slots=True)
class Health:
    """How a server is doing. `eras` is what it is believed to speak.

    `lasting_s` is how long its circuit has been so, `wait_s` how long until the server is asked again, both in seconds.
    `why` is the newest of the `failures` in a row, None where there are none.
    """

    circuit: BreakerState
    lasting_s: float
    failures: int
    eras: tuple[str, ...]
    words: str
    wait_s: float
    why: Refusal | None


class Circuit:
    """One server's breaker with its probe. `probe` returns what the server answered, or why it did not."""

    def __init__(
        self,
        way: Way,
        probe: Callable[[], Awaitable[Reply | Refusal]],
    ) -> None:
        """Start closed."""
        self._way = way
        self._probe = probe
        self._breaker = Breaker(way.clock())
        self._why: Refusal | None = None
        self.refusal: Refusal | None = None

    def take(self, end: Reply | Refusal) -> None:
        """Take note of how a call ended."""
        weight = weigh(end) if isinstance(end, Refusal) else Weight.ALIVE
        if weight is Weight.ALIVE:
            self._breaker.succeed()
        elif weight is Weight.FAILED and self._fail(end):
            self.refusal = OPEN
            _log.warning("server %s is left alone after %d failures in a row", self._way.name, self._breaker.failures)
            self._way.background.start(self._probing)

    def health(self, eras: tuple[str, ...]) -> Health:
        """Return the state as a value."""
        breaker, now = self._breaker, self._way.clock()
        held = f"No calls pass after {breaker.failures} failures in a row; the server is asked again "
        words = {
            "closed": "Calls pass.",
            "open": f"{held}in {breaker.wait(now):.0f} s.",
            "half_open": f"{held}now.",
        }[breaker.state]
        wait_s = 0.0 if breaker.closed else breaker.wait(now)
        why = self._why if breaker.failures else None
        return Health(breaker.state, now - breaker.since, breaker.failures, eras, words, wait_s, why)

    def _fail(self, end: Reply | Refusal) -> bool:
        self._note(end)
        return self._breaker.fail(self._way.clock())

    def _note(self, end: Reply | Refusal) -> None:
        if isinstance(end, Refusal):
            self._why = end

    async def _probing(self) -> None:
        while not self._breaker.closed:
            await self._way.sleep(self._breaker.wait(self._way.clock()))
            if self._breaker.probe(self._way.clock()):
                end = await self._probe()
                self._note(end)
                alive = isinstance(end, Reply) or weigh(end) is Weight.ALIVE
                self._breaker.probed(self._way.clock(), alive=alive)
        self.refusal = None
        _log.warning("server %s answers again", self._way.name)
