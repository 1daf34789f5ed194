"""A sink that keeps what it is sent, and fails as it is told; a real one in all that a follower can see."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tallystick.export.follower import Follower
from tallystick.export.ledger import Ledger, ledger_path
from tallystick.export.model import Event, Format, Limits, Refused, Sink, Stopped
from tallystick.export.settings import FileOptions, SinkEntry
from tallystick.export.source import Directory
from tallystick.export.written import raw
from tests.audit.sample import NOON


class Kept:
    """What a receiver outside holds. Each entry of `failing` is raised by one delivery, or None for a good one.

    `killing`: the follower is killed once, when the sink has taken a batch and nobody has noted it.
    """

    def __init__(self, limits: Limits | None = None, overlap: int = 0) -> None:
        self.limits = limits or Limits()
        self.overlap = overlap
        self.events: list[tuple[str, int, int]] = []
        self.bodies: list[bytes] = []
        self.deliveries: list[int] = []
        self.failing: deque[BaseException | None] = deque()
        self.killing = False
        self.poison: Callable[[Event], bool] = lambda _: False

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Take, refuse or fail."""
        self.deliveries.append(len(events))
        failure = self.failing.popleft() if self.failing else None
        if failure is not None:
            raise failure
        refused = [event for event in events if self.poison(event)]
        for event in events:
            if event not in refused:
                self.events.append((event.place.tenant, event.place.year, event.index))
                self.bodies.append(event.body)
        if self.killing:
            self.killing = False
            raise KeyboardInterrupt
        return [Refused(event.index, "a field is of the wrong type") for event in refused]

    def close(self) -> None:
        """Nothing is held."""

    @property
    def indices(self) -> list[int]:
        """Indices in the order in which they came."""
        return [index for _, _, index in self.events]


class Hand:
    """Clock and pause of a test: time passes only when somebody waits, and the run ends after so many waits."""

    def __init__(self, waits: int = 3) -> None:
        self.now = NOON + 10.0
        self.waits = waits
        self.waited: list[float] = []
        self.meanwhile: Iterator[Callable[[], object]] = iter(())

    def clock(self) -> float:
        """Seconds since the epoch."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let time pass, and whatever happens meanwhile happen."""
        self.waited.append(seconds)
        self.now += seconds
        next(self.meanwhile, lambda: None)()
        if len(self.waited) >= self.waits:
            raise Stopped


ENTRY = SinkEntry("soc", "file", "leaf", (), (), False, 60.0, (), "", FileOptions("x", 1 << 30, 0))  # noqa: FBT003 - one of ten values
"""Settings of a sink, of which only what a follower looks at matters here."""


def opened(state: Path, sink: Sink, written: Format = raw, chosen: SinkEntry = ENTRY) -> Follower:
    """A follower as a new process would have it: everything it knows is in its ledger."""
    return Follower(chosen, sink, written, Directory(state), Ledger(ledger_path(state, chosen.name)))


def indices_of(lines: bytes) -> list[int]:
    """Indices of leaves written as JSON lines."""
    return [json.loads(line)["index"] for line in lines.splitlines()]
