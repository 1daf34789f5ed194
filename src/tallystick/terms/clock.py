"""Time as a value that is handed in, so that the pure core never reads it."""

from typing import Protocol


class Clock(Protocol):
    """Source of the current time."""

    def __call__(self) -> float:
        """Return seconds since the Unix epoch, UTC, as a float with at least microsecond precision."""
        ...
