"""Cuts JSON values at named places, and counts what was there and what is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallystick.registry.toolset import Path


@dataclass(slots=True)
class Count:
    """How many fields or rows were looked at, and how many were kept."""

    of: int = 0
    kept: int = 0


def keep(value: object, paths: Sequence[Path], count: Count) -> object:
    """Return the parts of `value` that some path leads to, with all that is below them. Nothing else is kept."""
    if () in paths:
        return value
    if isinstance(value, Mapping):
        left: dict[str, object] = {}
        for name, part in _members(value).items():  # pyright: ignore[reportUnknownArgumentType] - JSON
            below = _below(paths, name)
            count.of += 1
            if below and _leads(part, below):
                count.kept += 1
                left[name] = keep(part, below, count)
        return left
    if isinstance(value, list):
        below = _below(paths, None)
        return [keep(part, below, count) for part in value if _leads(part, below)]  # pyright: ignore[reportUnknownVariableType] - JSON
    return None


def drop(value: object, paths: Sequence[Path], count: Count) -> object:
    """Return `value` without the fields that some path leads to."""
    if isinstance(value, Mapping):
        left: dict[str, object] = {}
        for name, part in _members(value).items():  # pyright: ignore[reportUnknownArgumentType] - JSON
            below = _below(paths, name)
            count.of += 1
            if () not in below:
                count.kept += 1
                left[name] = drop(part, below, count) if below else part
        return left
    if isinstance(value, list):
        below = _below(paths, None)
        if () in below:
            count.of += 1
            return []
        return [drop(part, below, count) for part in value] if below else value  # pyright: ignore[reportUnknownVariableType] - JSON
    return value


def first_rows(value: object, path: Path, first: int, count: Count) -> object:
    """Return `value` with no more than the `first` elements of each array that the path leads to."""
    if not path:
        if not isinstance(value, list):
            return value
        rows: list[object] = [*value]  # pyright: ignore[reportUnknownArgumentType] - JSON
        count.of += len(rows)
        count.kept += min(first, len(rows))
        return rows[:first]
    step, rest = path[0], path[1:]
    if step is None:
        return [first_rows(part, rest, first, count) for part in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType] - JSON
    if not isinstance(value, Mapping) or step not in value:
        return value  # pyright: ignore[reportUnknownVariableType] - JSON
    members = _members(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
    return {**members, step: first_rows(members[step], rest, first, count)}


def _below(paths: Sequence[Path], step: str | None) -> list[Path]:
    return [path[1:] for path in paths if path and path[0] == step]


def _leads(value: object, paths: Sequence[Path]) -> bool:
    """Tell whether some path can be followed into `value`: one that ends here, or one for its kind of value."""
    if () in paths:
        return True
    steps = {path[0] for path in paths}
    if isinstance(value, list):
        return None in steps
    return isinstance(value, Mapping) and bool(steps - {None})


def _members(value: Mapping[str, object]) -> dict[str, object]:
    return {str(name): part for name, part in value.items()}
