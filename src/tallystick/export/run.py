"""The process that follows: one thread per sink, each with its own cursor, back-off and lock.

Never in here: what an event is, or how it is sent.
"""

import secrets
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tallystick.export.follower import Follower
from tallystick.export.lease import Lease, lease_path
from tallystick.export.ledger import Ledger, held, ledger_path
from tallystick.export.model import Pause, Stopped, Unavailable
from tallystick.export.settings import SinkEntry
from tallystick.export.source import Source
from tallystick.terms import Clock, TallyError

POLL_S: Final = 0.25
"""Between two looks at logs in which nothing was new: a checkpoint is published every 0.2 s."""
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
AGAIN_S: Final = 2.0
"""Before a sink that could not be opened at all is opened again."""
MANDATORY_WAIT_S: Final = 5.0
"""Longest back-off of a sink that calls wait for."""


class Backoff:
    """Waits after failures: doubled each time up to a limit, less a random part, so that nobody comes in step."""

    def __init__(self, longest_s: float, draw: Callable[[], float]) -> None:
        self._longest_s = longest_s
        self._draw = draw
        self._next_s = FIRST_WAIT_S

    def reset(self) -> None:
        """Start small again."""
        self._next_s = FIRST_WAIT_S

    def take(self, asked_s: float | None) -> float:
        """Seconds to wait now: at least what the sink asked for."""
        wait = self._next_s * (0.5 + 0.5 * self._draw())
        self._next_s = min(self._longest_s, 2 * self._next_s)
        return max(wait, asked_s or 0.0)


def drawn() -> float:
    """A random number in [0, 1)."""
    return secrets.randbelow(1 << 24) / (1 << 24)


def keep(follower: Follower, clock: Clock, pause: Pause, lease: Lease | None = None) -> None:
    """Follow until `pause` or the sink raises `Stopped`; whatever fails is tried again, later and later."""
    longest = MANDATORY_WAIT_S if follower.entry.mandatory else LONGEST_WAIT_S
    backoff, ledger = Backoff(longest, drawn), follower.ledger
    well = not ledger.open_run()
    if not well:
        ledger.rewind(follower.overlap)
    try:
        while True:
            try:
                moved = follower.round(clock, lease)
            except Unavailable as failure:
                if well:
                    # What a sink without acknowledgements had taken just before it failed may be lost with it.
                    ledger.rewind(follower.overlap)
                well = False
                ledger.say(failure.message, clock())
                pause(backoff.take(failure.retry_after_s))
                continue
            well = True
            backoff.reset()
            ledger.say(None, clock())
            if not moved:
                pause(POLL_S)
    finally:
        ledger.close_run()


class Crew:
    """The threads of one set of sinks."""

    def __init__(self, entries: Sequence[SinkEntry], state: Path, source: Source, clock: Clock) -> None:
        self._entries = entries
        self._state = state
        self._source = source
        self._clock = clock
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start a thread for each sink."""
        for entry in self._entries:
            thread = threading.Thread(target=self._follow, args=(entry,), name=f"sink {entry.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, within_s: float) -> None:
        """Have the threads end, and wait for them, all together as long as that at most."""
        self._ending.set()
        deadline = threading.Event()
        timer = threading.Timer(within_s, deadline.set)
        timer.daemon = True
        timer.start()
        for thread in self._threads:
            while thread.is_alive() and not deadline.is_set():
                thread.join(0.1)
        timer.cancel()

    @property
    def running(self) -> bool:
        """Whether every thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    def _pause(self, seconds: float) -> None:
        if self._ending.wait(seconds):
            raise Stopped

    def _follow(self, entry: SinkEntry) -> None:
        said = ""
        try:
            while True:
                # What cannot be opened now (a secret, the ledger on a full disk, a sink that another process follows)
                # may be there in a while. Said once, and shown by `tally follow status` where there is a ledger.
                try:
                    follow_one(entry, self._state, self._source, self._clock, self._pause)
                except (TallyError, OSError, sqlite3.Error) as error:
                    if str(error) != said:
                        said = str(error)
                        say(f"sink {entry.name} is not followed at the moment: {said}")
                self._pause(AGAIN_S)
        except Stopped:
            return


def follow_one(entry: SinkEntry, state: Path, source: Source, clock: Clock, pause: Pause) -> None:
    """Follow the record for one sink until `Stopped`; raises `TallyError` when somebody else does, or it cannot be."""
    from tallystick.export.sinks import make_sink  # noqa: PLC0415 - a gateway must not load the clients of all sinks
    from tallystick.export.written import format_of  # noqa: PLC0415 - as above

    with held(state, entry.name), ExitStack() as closing:
        ledger = Ledger(ledger_path(state, entry.name))
        closing.callback(ledger.close)
        lease = Lease(lease_path(state, entry.name)) if entry.mandatory else None
        if lease is not None:
            closing.callback(lease.close)
        try:
            sink, written = make_sink(entry, clock, pause), format_of(entry)
        except Unavailable as failure:
            ledger.say(failure.message, clock())
            raise
        closing.callback(sink.close)
        keep(Follower(entry, sink, written, source, ledger), clock, pause, lease)


def say(text: str) -> None:
    """Tell the operator."""
    sys.stderr.write(f"tally follow: {text}\n")
