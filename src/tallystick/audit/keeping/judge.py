"""What may be forgotten: legal holds and statutes against erasure and expiry. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

from tallystick.audit.keeping.classes import Promise, RetentionClass, seconds
from tallystick.audit.leaf import timestamp


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold on payloads. A part that is None holds all: every subject, every class, from or until for ever."""

    name: str
    matter: str
    placed: str
    subject: str | None = None
    retention: str | None = None
    since: str | None = None
    until: str | None = None

    def covers(self, subject: str, retention: str, ts: str) -> bool:
        """Tell whether it holds a payload of this subject, class and time."""
        return (
            self.subject in (None, subject)
            and self.retention in (None, retention)
            and (self.since is None or seconds(ts) >= seconds(self.since))
            and (self.until is None or seconds(ts) < seconds(self.until))
        )

    def to_json(self) -> dict[str, object]:
        """Return the hold as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Block(NamedTuple):
    """Why payloads of a class may not be forgotten."""

    retention: str
    by: Literal["hold", "statute"]
    why: str


class Held(NamedTuple):
    """A payload as the judge sees it."""

    subject: str
    retention: str
    ts: str


def erasure_blocks(
    payloads: Iterable[Held],
    classes: Mapping[str, RetentionClass],
    holds: Sequence[Hold],
    now: float,
    promises: Sequence[Promise] = (),
) -> list[Block]:
    """Return what speaks against erasing these payloads now: each class's holds, its statute, and former statutes."""
    found: set[Block] = set()
    newest: dict[str, str] = {}
    for payload in payloads:
        newest[payload.retention] = max(payload.ts, newest.get(payload.retention, ""))
        found.update(
            Block(payload.retention, "hold", f"legal hold {hold.name}: {hold.matter}")
            for hold in holds
            if hold.covers(payload.subject, payload.retention, payload.ts)
        )
        found.update(
            Block(
                payload.retention, "statute", f"{one.found.law}: kept for {one.found.years:g} years, as it was promised"
            )
            for one in promises
            if one.covers(payload.retention, payload.ts, now)
        )
    for name, ts in newest.items():
        statute = classes.get(name)
        if statute is None:
            # INVARIANT: a class that nobody defined may be one that a law protects.
            found.add(Block(name, "statute", f"retention class {name} is not defined, so its law is not known"))
        elif statute.statutory and seconds(ts) > statute.expiry(now):
            due = timestamp(seconds(ts) + (now - statute.expiry(now)))[:10]
            found.add(Block(name, "statute", f"{statute.law}: kept for {statute.years:g} years, until {due}"))
    return sorted(found)


def expiry_blocks(retention: str, before: str, payloads: Iterable[Held], holds: Sequence[Hold]) -> list[Block]:
    """Return the holds that cover any payload of a class from before a time.

    `payloads` are those of the subjects of holds; a hold on no subject covers all that its class and times meet.
    """
    due = [payload for payload in payloads if payload.retention == retention and payload.ts < before]
    return [
        Block(retention, "hold", f"legal hold {hold.name}: {hold.matter}")
        for hold in holds
        if hold.retention in (None, retention)
        and (hold.since is None or seconds(hold.since) < seconds(before))
        and (hold.subject is None or any(hold.covers(held.subject, held.retention, held.ts) for held in due))
    ]
