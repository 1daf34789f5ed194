"""Cuts JSON values at named places, and counts what was there and what is left."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.registry import toolset as nouns


@dataclass(slots=True)
class Count:
    """How many fields or rows were looked at, and how many were kept."""

    of: int = 0
    kept: int = 0


def keep(value: object, paths: Sequence[nouns.Path], count: Count) -> object:
    """Return the parts of `value` that some path leads to, with all that is below them. Nothing else is kept."""
    if () in paths:
        return value
    named = members(value)
    if named is not None:
        left: dict[str, object] = {}
        count.of += len(named)
        for name, part in named.items():
            below = _below(paths, name)
            if below and _leads(part, below):
                count.kept += 1
                left[name] = keep(part, below, count)
        return left
    listed, below = elements(value), _below(paths, None)
    if listed is None:
        count.of += 1
        return None
    led = [part for part in listed if _leads(part, below)]
    # INVARIANT: whatever is left out is counted, for what is not counted as cut passes as it came.
    count.of += len(listed) - len(led)
    return [keep(part, below, count) for part in led]


def drop(value: object, paths: Sequence[nouns.Path], count: Count) -> object:
    """Return `value` without the fields that some path leads to."""
    named = members(value)
    if named is not None:
        left: dict[str, object] = {}
        count.of += len(named)
        for name, part in named.items():
            below = _below(paths, name)
            if () not in below:
                count.kept += 1
                left[name] = drop(part, below, count) if below else part
        return left
    listed, below = elements(value), _below(paths, None)
    if listed is None or not below:
        return value
    if () in below:
        count.of += len(listed)
        return []
    return [drop(part, below, count) for part in listed]


def first_rows(value: object, path: nouns.Path, first: int, count: Count) -> object:
    """Return `value` with no more than the `first` elements of each array that the path leads to."""
    listed, named = elements(value), members(value)
    if not path:
        if listed is None:
            return value
        count.of += len(listed)
        count.kept += min(first, len(listed))
        return listed[:first]
    step, rest = path[0], path[1:]
    if step is None:
        return value if listed is None else [first_rows(part, rest, first, count) for part in listed]
    if named is None or step not in named:
        return value
    return {**named, step: first_rows(named[step], rest, first, count)}


def members(value: object) -> dict[str, object] | None:
    """Return the members of a JSON object; None for anything else."""
    if not isinstance(value, dict):
        return None
    return {str(name): part for name, part in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def elements(value: object) -> list[object] | None:
    """Return the elements of a JSON array; None for anything else."""
    return [*value] if isinstance(value, list) else None


def _below(paths: Sequence[nouns.Path], step: str | None) -> list[nouns.Path]:
    return [path[1:] for path in paths if path and path[0] == step]


def _leads(value: object, paths: Sequence[nouns.Path]) -> bool:
    """Tell whether some path can be followed into `value`: one that ends here, or one for its kind of value."""
    if () in paths:
        return True
    steps = {path[0] for path in paths}
    return None in steps if isinstance(value, list) else isinstance(value, dict) and bool(steps - {None})
