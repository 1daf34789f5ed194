"""Waiting until something is published: woken in this process at once, by other processes within a poll."""

import time
from collections.abc import Callable
from threading import Condition
from typing import Final

POLL_S: Final = 0.25
"""Seconds between two looks at a database that other processes change without telling."""


class Watch:
    """Wakes those who wait. May be used from any thread."""

    def __init__(self, poll_s: float = POLL_S) -> None:
        self.poll_s = poll_s
        self._condition = Condition()
        self._turns = 0
        self._closed = False

    def wake(self) -> None:
        """Something may have changed: let everybody look."""
        with self._condition:
            self._turns += 1
            self._condition.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def wait(self, look: Callable[[], int], after: int, seconds: float) -> int:
        """Return what `look` gives as soon as that is more than `after`, or when the time is over."""
        until = time.monotonic() + seconds
        while True:
            with self._condition:
                turns = self._turns
            found = look()
            rest = until - time.monotonic()
            if found > after or rest <= 0 or self._closed:
                return found
            with self._condition:
                # Woken between the look and here: look again.
                if turns == self._turns and not self._closed:
                    self._condition.wait(min(self.poll_s, rest))
