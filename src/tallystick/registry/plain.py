"""Plain JSON values, read without trusting their shape: what is not there or not of that kind is empty."""

from collections.abc import Mapping


def as_object(value: object) -> dict[str, object]:
    """Return an object's members; nothing for anything else."""
    return {str(name): part for name, part in value.items()} if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def as_list(value: object) -> list[object]:
    """Return an array's elements; nothing for anything else."""
    return [*value] if isinstance(value, list | tuple) else []


def as_number(value: object) -> float | None:
    """Return a number as it is; None for anything else, true and false too."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
