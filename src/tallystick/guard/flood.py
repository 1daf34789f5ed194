"""Refusals of requests that nobody is known to have sent: counted, so that a flood of them cannot fill the record.

Within one window the first refusals of each address, and of all addresses together, are recorded one by one; the rest
is answered without a leaf, and one leaf at the window's end says how many there were. What is held is bounded, whatever
is sent. Time is a value: any clock that does not run backwards.
"""

from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 60.0
"""Seconds of a window."""

ADDRESSES: Final = 10_000
"""Addresses told apart within a window; all further ones count as one."""

_OTHERS: Final = ""


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Refusals of one window without a leaf of their own. Times are the clock's; `addresses` says of how many."""

    since: float
    until: float
    requests: int
    addresses: int


class Flood:
    """The refusals of one listener. For one event loop: not locked, never awaits."""

    __slots__ = ("_counts", "_in_all", "_over", "_per_address", "_recorded", "_since", "_unrecorded")

    def __init__(self, per_address: int = 120, in_all: int = 1_200) -> None:
        """Let so many refusals be recorded per window."""
        self._per_address = per_address
        self._in_all = in_all
        self._since = 0.0
        self._start(0.0)

    def strike(self, address: str, now: float) -> bool:
        """Count one refusal, and tell whether it is to be recorded; else it is answered 429 without a leaf.

        `address` is any stable key of where it came from. Ask `due` first: a window that has ended is told there.
        """
        if now - self._since >= WINDOW_S and not self._unrecorded:
            self._start(now)
        key = address if address in self._counts or len(self._counts) < ADDRESSES else _OTHERS
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count <= self._per_address and self._recorded < self._in_all:
            self._recorded += 1
            return True
        self._unrecorded += 1
        self._over.add(key)
        return False

    def due(self, now: float) -> Unrecorded | None:
        """Return what the window that has ended left unrecorded, once, and begin the next; None while it lasts."""
        return self.drain(now) if now - self._since >= WINDOW_S else None

    def drain(self, now: float) -> Unrecorded | None:
        """Return the same without waiting for the window's end: when the listener ends."""
        left = Unrecorded(self._since, now, self._unrecorded, len(self._over)) if self._unrecorded else None
        self._start(now)
        return left

    def retry_after_s(self, now: float) -> int:
        """Return the whole seconds until the window ends, at least 1: the value of Retry-After."""
        return max(1, int(self._since + WINDOW_S - now) + 1)

    def _start(self, now: float) -> None:
        self._since = now
        self._counts: dict[str, int] = {}
        self._over: set[str] = set()
        self._recorded = 0
        self._unrecorded = 0
