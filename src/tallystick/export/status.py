"""How far each sink is, told from its ledger and the published logs; needs no running follower."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tallystick.audit import offline
from tallystick.export.follower import time_of
from tallystick.export.formats.leaf import Entry, Skipped
from tallystick.export.ledger import Ledger, ledger_path
from tallystick.export.model import Place
from tallystick.export.settings import SinkEntry
from tallystick.export.source import Source


@dataclass(frozen=True, slots=True)
class LogLag:
    """How far a sink is in one log. `behind_s` is the age of the oldest record that the sink has not taken."""

    tenant: str
    year: int
    next: int
    size: int
    behind: int
    behind_s: float
    trouble: str | None


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How one sink is. `aside` counts the events that it refused for good; `failing_since` is None when all is well."""

    sink: str
    type: str
    mandatory: bool
    logs: tuple[LogLag, ...]
    aside: int
    failing: str | None
    failing_since: float | None

    @property
    def behind(self) -> int:
        """Records that the sink has not taken."""
        return sum(log.behind for log in self.logs)

    @property
    def behind_s(self) -> float:
        """Age in seconds of the oldest of them."""
        return max((log.behind_s for log in self.logs), default=0.0)

    @property
    def well(self) -> bool:
        """Whether deliveries succeed, and nothing was refused or is in doubt."""
        return self.failing is None and not self.aside and not any(log.trouble for log in self.logs)

    def to_json(self) -> dict[str, object]:
        """The status as a JSON object."""
        return {**asdict(self), "behind": self.behind, "behind_s": self.behind_s}


def statuses(state: Path, source: Source, entries: Sequence[SinkEntry], now: float) -> list[SinkStatus]:
    """Return the status of each sink."""
    return [_status(state, source, entry, now) for entry in entries]


def _status(state: Path, source: Source, entry: SinkEntry, now: float) -> SinkStatus:
    path = ledger_path(state, entry.name)
    ledger = Ledger(path) if path.exists() else None
    logs = tuple(
        _lag(source, ledger, place, now)
        for place in source.places()
        if not entry.tenants or place.tenant in entry.tenants
    )
    if ledger is None:
        return SinkStatus(entry.name, entry.type, entry.mandatory, logs, 0, "no follower ever ran", None)
    condition, aside = ledger.condition(), len(ledger.aside())
    ledger.close()
    failing = condition.failing if condition is not None else None
    since = condition.since if condition is not None and failing else None
    return SinkStatus(entry.name, entry.type, entry.mandatory, logs, aside, failing, since)


def _lag(source: Source, ledger: Ledger | None, place: Place, now: float) -> LogLag:
    cursor = ledger.cursor(place) if ledger is not None else None
    trouble = ledger.trouble(place) if ledger is not None else None
    following, read = cursor.next if cursor is not None else 0, source.read(place)
    try:
        log = offline.Followed(read, (read("vkey") or b"").decode(errors="replace").split("\n"))
        size = log.refresh().size
        behind = max(0, size - following)
        since = max(0.0, now - time_of(log.leaf(following))) if behind else 0.0
    except (offline.UntrustedError, offline.UnreadableError) as error:
        return LogLag(place.tenant, place.year, following, following, 0, 0.0, trouble or error.message)
    return LogLag(place.tenant, place.year, following, size, behind, round(since, 3), trouble)


def events_of(log: Path, written: str, first: int, count: int | None) -> Iterator[bytes]:
    """Yield the events of a log's verified leaves as lines; raises `TallyError`, also for a format nobody knows."""
    from tallystick.export.written import named  # noqa: PLC0415 - all formats, which a gateway never needs

    form = named(written)
    followed = offline.Followed(offline.reader(log), offline.read_vkey(log).split("\n"))
    origin, beat = followed.refresh().origin, b""
    for index, leaf in followed.leaves(first):
        if count is not None and index >= first + count:
            return
        fields = offline.read_fields(leaf)
        intent = fields.get("intent")
        about = followed.leaf(intent) if isinstance(intent, int) and 0 <= intent < index else None
        if fields.get("kind") == "heartbeat":
            about, beat = beat or None, leaf
        told = form(Entry(origin, index, leaf, about))
        if not isinstance(told, Skipped):
            yield told.removesuffix(b"\n") + b"\n"


def prometheus(told: Sequence[SinkStatus]) -> str:
    """The statuses in the text format of Prometheus (exposition format 0.0.4)."""
    return "".join(f"{line}\n" for line in _lines(told))


def _lines(told: Sequence[SinkStatus]) -> Iterator[str]:
    logs = [(sink, log) for sink in told for log in sink.logs]
    yield "# HELP tallystick_sink_lag_records Records that the sink has not taken."
    yield "# TYPE tallystick_sink_lag_records gauge"
    for sink, log in logs:
        yield f"tallystick_sink_lag_records{_labels(sink.sink, log)} {log.behind}"
    yield "# HELP tallystick_sink_lag_seconds Age of the oldest record that the sink has not taken."
    yield "# TYPE tallystick_sink_lag_seconds gauge"
    for sink, log in logs:
        yield f"tallystick_sink_lag_seconds{_labels(sink.sink, log)} {log.behind_s:g}"
    yield "# HELP tallystick_sink_refused_events Events that the sink refused for good and that are put aside."
    yield "# TYPE tallystick_sink_refused_events gauge"
    for sink in told:
        yield f'tallystick_sink_refused_events{{sink="{sink.sink}"}} {sink.aside}'
    yield "# HELP tallystick_sink_failing 1 while deliveries to the sink fail."
    yield "# TYPE tallystick_sink_failing gauge"
    for sink in told:
        yield f'tallystick_sink_failing{{sink="{sink.sink}"}} {int(sink.failing is not None)}'


def _labels(sink: str, log: LogLag) -> str:
    # Names of sinks and tenants hold nothing that would have to be escaped.
    return f'{{sink="{sink}",tenant="{log.tenant}",year="{log.year}"}}'
