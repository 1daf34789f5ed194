"""What the record takes on disk, and what it will take: by tenant and retention class."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tallystick.audit.desk import Desk
from tallystick.audit.keeping.classes import YEAR_DAYS, RetentionClass
from tallystick.audit.payload.model import Usage
from tallystick.terms import TenantId

_WINDOW_DAYS: Final = 92
"""Days whose volume the forecast goes on with: about three months."""


def report(desk: Desk, tenant: TenantId, classes: Mapping[str, RetentionClass]) -> dict[str, object]:
    """Return volume, rate, forecast and budget of each class of a tenant, and of its log; bytes are bytes on disk."""
    usage, now = desk.vault(tenant).usage(), desk.now()
    names = sorted({used.retention for used in usage})
    standing = desk.standing(tenant)
    log = desk.state / "audit" / tenant
    return {
        "tenant": tenant,
        "classes": [
            forecast(name, [used for used in usage if used.retention == name], classes.get(name), now) for name in names
        ],
        "log": {"leaves": standing.size, "stored_bytes": _size(log)},
    }


def forecast(name: str, usage: Iterable[Usage], found: RetentionClass | None, now: float) -> dict[str, object]:
    """Return what a class takes now, per day over the last months, in a year, and when payloads come and go evenly."""
    used = list(usage)
    today = datetime.fromtimestamp(now, UTC)
    first = today - timedelta(days=_WINDOW_DAYS)
    recent = [one for one in used if one.month >= first.strftime("%Y-%m")]
    stored = sum(one.stored_bytes for one in used)
    days = max(
        1.0, (today - max(first, _start(min((one.month for one in recent), default="")))).total_seconds() / 86400
    )
    rate = sum(one.stored_bytes for one in recent) / days
    told: dict[str, object] = {
        "retention": name,
        "payloads": sum(one.records for one in used),
        "stored_bytes": stored,
        "elsewhere_bytes": sum(one.stored_bytes for one in used if one.place),
        "bytes_per_day": round(rate),
    }
    if found is None:
        return {**told, "law": "not defined: nothing of this class expires"}
    steady = rate * found.years * YEAR_DAYS
    told |= {
        "law": found.law,
        "years": found.years,
        "in_a_year_bytes": round(min(stored + rate * YEAR_DAYS, max(steady, stored))),
        "steady_bytes": round(steady),
    }
    if found.budget_bytes is not None:
        told |= {"budget_bytes": found.budget_bytes, "budget": _budget(stored, rate, steady, found.budget_bytes, today)}
    return told


def _budget(stored: int, rate: float, steady: float, budget: int, today: datetime) -> str:
    if stored > budget:
        return "exceeded"
    if rate <= 0 or steady <= budget:
        return "kept"
    due = today + timedelta(days=min((budget - stored) / rate, 36_500))
    return f"exceeded on {due.date().isoformat()} at this rate"


def _start(month: str) -> datetime:
    try:
        return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _size(directory: Path) -> int:
    found = 0
    for path in directory.rglob("*"):
        # The publisher removes incomplete tiles meanwhile.
        with suppress(FileNotFoundError):
            found += path.stat().st_size if path.is_file() else 0
    return found
