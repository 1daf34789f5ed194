"""What travels from the record to a sink, and what a sink answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeGuard

from tallystick.export.formats.leaf import Entry, Skipped
from tallystick.terms import TallyError

STREAK: Final = 100
"""Events in a row that a sink may refuse for good before the sink itself is held to be wrong."""

Pause = Callable[[float], None]
"""Wait for that many seconds; raises `Stopped` when the follower is to end."""


class Place(NamedTuple):
    """One log: its tenant and its year."""

    tenant: str
    year: int


@dataclass(frozen=True, slots=True)
class Event:
    """One leaf in the form that its sink takes. `at` is the leaf's own time, RFC 3339."""

    place: Place
    index: int
    kind: str
    at: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that the sink, or its format, will never take: its leaf's index, and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one delivery may hold: events, bytes of all bodies, bytes of one."""

    events: int = 500
    total_bytes: int = 512 << 10
    event_bytes: int = 256 << 10


Format = Callable[[Entry], bytes | Skipped]
"""How an entry of a log is written for a sink, or why there is nothing to write. Pure."""


class Sink(Protocol):
    """Where events go. All events of one delivery are of one log, in the order of their indices.

    `overlap` is how many records are sent again after a failure, by a sink that cannot confirm what it was sent.
    """

    limits: Limits
    overlap: int

    def deliver(self, events: Sequence[Event]) -> Sequence[Refused]:
        """Return once every event is safe at the sink or refused for good; raises `Unavailable`, and `Stopped`."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class Unavailable(TallyError):
    """A sink that cannot be reached, or takes nothing at the moment: the same events are sent again later."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__("unavailable", message)
        self.retry_after_s = retry_after_s


class BatchRefusedError(TallyError):
    """A sink that refused several events at once, for good, without saying which."""

    def __init__(self, reason: str) -> None:
        super().__init__("upstream", reason)


class Stopped(BaseException):
    """The follower is to end, now."""


def settle(events: Sequence[Event], send: Callable[[Sequence[Event]], Sequence[Refused]]) -> list[Refused]:
    """Send events; what is refused as a whole is halved until single events are. Raises `Unavailable`.

    A sink that refuses one event after the other and takes none is wrong itself, not its events.
    """
    refused: list[Refused] = []
    taken = 0
    waiting = [list(events)]
    while waiting:
        batch = waiting.pop()
        try:
            told = send(batch)
            refused += told
            taken += len(batch) - len(told)
        except BatchRefusedError as error:
            if len(batch) == 1:
                refused.append(Refused(batch[0].index, error.message))
            else:
                half = len(batch) // 2
                waiting += [batch[half:], batch[:half]]
            if len(refused) >= STREAK and not taken:
                message = f"refuses everything it is sent: {error.message}"
                raise Unavailable(message) from error
    return refused


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether a parsed JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Tell whether a parsed JSON value is an array."""
    return isinstance(value, list)
