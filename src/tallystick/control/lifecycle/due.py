"""What time alone has made necessary: approvals that have ended, and reminders of what will.

A reminder is a mark on its resource, so it is given once, survives a restart, shows in the status, and is told to
webhooks like every other change.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from tallystick.control.lifecycle.read import day, moment, section, text
from tallystick.control.model import REVIEWED, Actor, Mark, Resource, Step

CLOCKWORK: Final = Actor("tallystick/clock", operator="tallystick/clock")
"""Who takes the steps that time asks for."""
REMINDED: Final = "reminded"
"""The status under which a resource keeps its last reminders."""
DAYS: Final = (0, 7, 30)
"""Days before the day itself at which is reminded."""
REVIEW: Final = "review.due"
EXPIRY: Final = "approval.expiring"


def due(resources: Iterable[Resource], now: float) -> tuple[Step | Mark, ...]:
    """Return the steps and marks that are due at `now` (seconds since the epoch), in the order of the resources.

    Asking twice costs nothing: a step that was taken and a reminder that was given are not due any more.
    """
    today = datetime.fromtimestamp(now, UTC)
    found = (_due(resource, today) for resource in resources if resource.kind in REVIEWED)
    return tuple(change for change in found if change is not None)


def ends(resource: Resource) -> datetime | None:
    """When an approval ends by itself: what its reviewer said, and the end of the grant itself; the earlier one."""
    said = moment(section(resource.status, "review").get("expires"))
    own = moment(resource.spec.get("expires")) if resource.kind == "Grant" else None
    known = [end for end in (said, own) if end is not None]
    return min(known) if known else None


def _due(resource: Resource, now: datetime) -> Step | Mark | None:
    if resource.state != "approved":
        return None
    end = ends(resource)
    if end is not None and end <= now:
        return Step(resource.key, "suspended", comment=f"Its approval ended at {_written(end)}.")
    given = section(resource.status, REMINDED)
    wanted = {**_review(resource, now), **_expiry(end, now)}
    new = {event: what for event, what in wanted.items() if text(given, event) != what}
    return Mark(resource.key, {REMINDED: {**given, **new}}) if new else None


def _review(resource: Resource, now: datetime) -> dict[str, str]:
    following = day(section(resource.spec, "security_review").get("next"))
    return {} if following is None else _reminder(REVIEW, str(following), (following - now.date()).days)


def _expiry(end: datetime | None, now: datetime) -> dict[str, str]:
    return {} if end is None else _reminder(EXPIRY, _written(end), (end.date() - now.date()).days)


def _reminder(event: str, when: str, left: int) -> dict[str, str]:
    for days in DAYS:
        if left <= days:
            return {event: f"{when}, {days} days"}
    return {}


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
