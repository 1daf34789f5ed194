"""Reading specs, which are plain JSON (what is not there or is no text counts as not said)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final, TypeGuard

NOTHING: Final[Mapping[str, object]] = {}


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a JSON value is an object."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether a JSON value is an array."""
    return isinstance(value, list | tuple)


def section(spec: Mapping[str, object], name: str) -> Mapping[str, object]:
    """Return a part of a spec; empty where it is none."""
    value = spec.get(name)
    return value if is_object(value) else NOTHING


def text(spec: Mapping[str, object], name: str) -> str:
    """Return a text without the space around it; empty where it is none."""
    value = spec.get(name)
    return value.strip() if isinstance(value, str) else ""


def moment(value: object) -> datetime | None:
    """Read a time (RFC 3339) or a day (its first instant), UTC where it does not say; None where it is neither."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        # OverflowError: in UTC it would lie before the first year, or after the last.
        return None


def day(value: object) -> date | None:
    """Read a day, `YYYY-MM-DD`; None where it is none."""
    read = moment(value)
    return None if read is None else read.date()


def now(written: str) -> datetime:
    """Read the time that somebody of us wrote. Raises ValueError where it is none."""
    return datetime.fromisoformat(written).astimezone(UTC)
