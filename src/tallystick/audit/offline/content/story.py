"""What the leaves of a range say together: pairs of intent and outcome, time, heartbeats, keys.

Ranges are read in processes of their own, each into a `Story`; `follow` joins them in their order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeGuard

import msgspec

from tallystick.audit.offline.content.forms import fault, glimpse
from tallystick.audit.offline.read import Damage, Finding

LISTED: Final = 1000
"""Damages and findings that are kept one by one; more are counted. A log of another program would fill the memory."""
CLOCK_TOLERANCE_S: Final = 5.0
"""Leaves of several gateways reach the log a little out of order; a clock that was set back goes further."""
BEAT_TOLERANCE_S: Final = 15.0
"""A heartbeat may be late on a busy machine."""
_CLOSING: Final = frozenset({"outcome", "in_doubt"})
_TOLD: Final = frozenset({"open", "key", "erasure"})


class _Beat(msgspec.Struct):
    every_s: int
    size: int
    start: bool = False
    stop: bool = False
    step_ms: int | None = None


def _new_kinds() -> Counter[str]:
    return Counter()


@dataclass(slots=True)
class Story:
    """What the leaves of one range say. Bounded: by the open intents, and by LISTED."""

    start: int = 0
    kinds: Counter[str] = field(default_factory=_new_kinds)
    opened: dict[int, str] = field(default_factory=dict[int, str])
    closed: list[tuple[str, int, int, str]] = field(default_factory=list[tuple[str, int, int, str]])
    unknown: list[range] = field(default_factory=list[range])
    told: list[tuple[int, Mapping[str, object]]] = field(default_factory=list[tuple[int, Mapping[str, object]]])
    damage: list[Damage] = field(default_factory=list[Damage])
    findings: list[Finding] = field(default_factory=list[Finding])
    damages: int = 0
    found: int = 0
    first: str = ""
    last: str = ""
    woke: tuple[int, str, bool] | None = None
    beat: tuple[int, str, float, bool] | None = None

    # `start`: where the range begins. `closed`: (file, index, intent, id) of closing leaves whose intent is in no range
    # read so far. `unknown`: leaves that are missing or not those that were logged: nothing is concluded from them.
    # `told`: leaves of rare kinds. `woke`: the first heartbeat: index, time, whether it said that the writer starts.
    # `beat`: the newest one: index, time, seconds until the next, whether it said that the writer stops.

    def blame(self, file: str, index: int | None, text: str) -> None:
        """Note a damage."""
        self.damages += 1
        if len(self.damage) < LISTED:
            self.damage.append(Damage(file, index, text))

    def find(self, kind: str, index: int | None, text: str) -> None:
        """Note a finding."""
        self.found += 1
        if len(self.findings) < LISTED:
            self.findings.append(Finding(kind, index, text))

    def lose(self, indices: range) -> None:
        """Note that nothing is known of these leaves."""
        if self.unknown and self.unknown[-1].stop == indices.start:
            indices = range(self.unknown.pop().start, indices.stop)
        self.unknown.append(indices)

    def read(self, file: str, index: int, leaf: bytes) -> None:
        """Take in one leaf that is the one that was logged."""
        seen = glimpse(leaf)
        wrong = "the leaf is not canonical JSON" if seen is None else fault(leaf, seen.kind)
        if seen is None or wrong is not None:
            self.blame(file, index, str(wrong))
            return
        self.kinds[seen.kind] += 1
        self._time(index, seen.ts)
        if seen.kind == "intent":
            self.opened[index] = str(seen.id)
        elif seen.kind in _CLOSING and seen.intent is not None:
            if seen.intent < self.start:
                self.closed.append((file, index, seen.intent, str(seen.id)))
            else:
                self._close(file, index, seen.intent, str(seen.id))
        elif seen.kind in _TOLD:
            fields: object = msgspec.json.decode(leaf)
            if _is_fields(fields):
                self.told.append((index, fields))
        elif seen.kind == "heartbeat":
            self._beat(index, seen.ts, msgspec.json.decode(leaf, type=_Beat))

    def _beat(self, index: int, ts: str, beat: "_Beat") -> None:
        if beat.step_ms is not None:
            self.find("clock", index, f"the clock was set by {beat.step_ms} ms, as the heartbeat says")
        if beat.size > index:
            self.find("silence", index, f"the heartbeat counts {beat.size} leaves before it, and there are {index}")
        if self.beat is not None:
            self._silence(self.beat, index, ts, started=beat.start)
        self.woke = self.woke or (index, ts, beat.start)
        self.beat = (index, ts, float(beat.every_s), beat.stop)

    def _silence(self, before: tuple[int, str, float, bool], index: int, ts: str, *, started: bool) -> None:
        number, since, every, stopped = before
        if stopped and started:
            return
        gap = seconds_between(since, ts)
        if gap > every + BEAT_TOLERANCE_S:
            why = "the writer was started again, and had not said that it stops" if started else "no heartbeat between"
            self.find("silence", index, f"{gap:.0f} s without a heartbeat since leaf {number}: {why}")

    def _time(self, index: int, ts: str) -> None:
        # All times have one form, so that they sort as texts do.
        if ts < self.last:
            if seconds_between(ts, self.last) > CLOCK_TOLERANCE_S:
                self.find("clock", index, f"its time, {ts}, is before that of the leaf before it, {self.last}")
                self.last = ts
            return
        self.first = self.first or ts
        self.last = ts

    def _close(self, file: str, index: int, intent: int, call_id: str) -> None:
        if self.opened.pop(intent, None) != call_id and not any(intent in lost for lost in self.unknown):
            self.blame(file, index, f"closes leaf {intent}, which is no open intent of the same call")

    def follow(self, later: "Story") -> None:
        """Take in what the next range says."""
        self.kinds += later.kinds
        for lost in later.unknown:
            self.lose(lost)
        for file, index, intent, call_id in later.closed:
            self._close(file, index, intent, call_id)
        self.opened |= later.opened
        self._follow_time(later)
        self.told += later.told
        self.damages += later.damages
        self.found += later.found
        self.damage += later.damage[: LISTED - len(self.damage)]
        self.findings += later.findings[: LISTED - len(self.findings)]

    def _follow_time(self, later: "Story") -> None:
        if later.first:
            if self.last and later.first < self.last and seconds_between(later.first, self.last) > CLOCK_TOLERANCE_S:
                self.find("clock", None, f"time went back from {self.last} to {later.first} between two ranges")
            self.first, self.last = self.first or later.first, later.last
        if self.beat is not None and later.woke is not None:
            index, ts, started = later.woke
            self._silence(self.beat, index, ts, started=started)
        self.woke = self.woke or later.woke
        self.beat = later.beat or self.beat


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one time of a leaf to another; 0 where one of them is no time of the calendar."""
    try:
        return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    except ValueError:
        return 0.0


def ended(story: Story) -> Iterable[Finding]:
    """Findings that only the end of the story shows."""
    if story.beat is None and seconds_between(story.first, story.last) > 60.0 + BEAT_TOLERANCE_S:
        yield Finding("silence", None, f"no heartbeat at all from {story.first} to {story.last}")
    elif story.beat is not None and seconds_between(story.beat[1], story.last) > story.beat[2] + BEAT_TOLERANCE_S:
        yield Finding("silence", story.beat[0], f"no heartbeat after this one, until {story.last}")


def _is_fields(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)
