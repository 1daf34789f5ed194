"""Retention classes: how long payloads are kept, by which law, and what may be asked meanwhile. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from tallystick.terms import TallyError

YEAR_DAYS: Final = 365.25
_DAY_S: Final = 86_400
_CENTURY: Final = 100


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """How long the payloads of a class are kept. Leaves are kept as long as their log.

    `years` after which payloads expire; `law` that says so. While `statutory`, younger payloads are not erased on
    demand (GDPR Art. 17(3)(b)). `tier_after_days`: when segments may move to the cheaper directory. `budget_bytes`:
    what the class may take on disk; more is reported, never dropped.
    """

    name: str
    years: float
    law: str
    statutory: bool = False
    tier_after_days: int | None = None
    budget_bytes: int | None = None

    def expiry(self, now: float) -> float:
        """Return the time before which payloads of this class have expired, in seconds since the epoch."""
        return now - self.years * YEAR_DAYS * _DAY_S

    def to_json(self) -> dict[str, object]:
        """Return the class as a JSON object."""
        return asdict(self)


class Promise(NamedTuple):
    """A statutory class as it was until a time (RFC 3339): what was kept before is kept as it said then.

    So nobody gets rid of a statute by changing the configuration, and a year that was mistyped costs no payloads.
    """

    found: RetentionClass
    until: str

    def covers(self, retention: str, ts: str, now: float) -> bool:
        """Tell whether a payload of this class and time is protected still."""
        return self.found.name == retention and ts < self.until and seconds(ts) > self.found.expiry(now)


BUILT_IN: Final = {
    found.name: found
    for found in (
        RetentionClass("standard", 5, "no law: house rule; erased on demand"),
        RetentionClass("short", 0.5, "EU AI Act Art. 26(6): logs of high-risk systems, at least six months"),
        RetentionClass("sec-17a-4", 6, "SEC 17a-4(a), FINRA 4511", statutory=True),
        RetentionClass("sec-17a-4-b", 3, "SEC 17a-4(b)", statutory=True),
        RetentionClass("mifid", 5, "FCA SYSC 9.1; MiFID II Art. 16(6)", statutory=True),
        RetentionClass("mifid-extended", 7, "FCA SYSC 9.1, seven years where the authority asks", statutory=True),
        RetentionClass("cftc", 5, "CFTC 1.31", statutory=True),
        RetentionClass("nydfs", 5, "NYDFS 23 NYCRR 500.06(b)", statutory=True),
        RetentionClass("sox", 7, "SOX section 802: audit papers", statutory=True),
        RetentionClass("pci", 1, "PCI DSS 10.5.1", statutory=True),
    )
}
"""Classes that are there without being configured."""


def class_of(fields: object) -> RetentionClass:
    """Return a class from its JSON object; raises TallyError ("invalid")."""
    return classes_of([fields])[0]


def classes_of(listed: object) -> list[RetentionClass]:
    """Return classes from a JSON array of them; raises TallyError ("invalid")."""
    try:
        found = msgspec.convert(listed, list[RetentionClass])
    except msgspec.ValidationError as error:
        message = f"no retention class: {error}; one has a name, years and the law that says so"
        raise TallyError(code="invalid", message=message) from error
    for one in found:
        if not 0 < one.years <= _CENTURY or (one.tier_after_days or 0) < 0 or (one.budget_bytes or 0) < 0:
            message = (
                f"retention class {one.name}: years are above 0 and at most {_CENTURY}; days and bytes not negative"
            )
            raise TallyError(code="invalid", message=message)
    return found


def effective(configured: Iterable[RetentionClass]) -> dict[str, RetentionClass]:
    """Return all classes by name: the built-in ones, each replaced by a configured one of its name."""
    return {**BUILT_IN, **{found.name: found for found in configured}}


def expiry_of(found: RetentionClass, promises: Iterable[Promise], now: float) -> float:
    """Return the time before which payloads of a class have expired, by its years and by what was promised before."""
    bounds = [(one.found.expiry(now), seconds(one.until)) for one in promises if one.found.name == found.name]
    return min([found.expiry(now), *[bound for bound, until in bounds if bound < until]])


def changes(before: Mapping[str, RetentionClass], after: Mapping[str, RetentionClass]) -> list[str]:
    """Return what differs between all classes before and after, one text for each, as the record tells it."""
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return [f"{name}: {_said(before.get(name))} -> {_said(after.get(name))}" for name in names]


def weakened(before: Mapping[str, RetentionClass], after: Mapping[str, RetentionClass]) -> list[RetentionClass]:
    """Return the statutory classes that protect less after a change, as they were."""
    return [old for name, old in before.items() if old.statutory and not _as_strong(after.get(name), old)]


def _as_strong(new: RetentionClass | None, old: RetentionClass) -> bool:
    return new is not None and new.statutory and new.years >= old.years


def _said(found: RetentionClass | None) -> str:
    if found is None:
        return "not defined"
    return f"{found.years:g} years{', statutory' if found.statutory else ''} ({found.law})"


def seconds(timestamp: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; raises TallyError ("invalid")."""
    try:
        found = datetime.fromisoformat(timestamp)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        message = f"{timestamp!r} is no time; write it like 2026-11-21 or 2026-11-21T09:00:00Z"
        raise TallyError(code="invalid", message=message) from error
