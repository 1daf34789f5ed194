"""Two plain values, field by field."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeGuard

ABSENT: Final = None
"""What stands for a member that is not there; null means the same in a document."""


class Difference(NamedTuple):
    """One field that differs. `path` is a JSON Pointer (RFC 6901); null stands for what is not there."""

    path: str
    before: object
    after: object


def differences(before: object, after: object, path: str = "") -> Iterator[Difference]:
    """Yield each field in which two JSON values differ, in order of the members' names.

    Lists of plain values are one field; lists of objects are compared element by element.
    """
    if is_object(before) and is_object(after):
        left, right = members(before), members(after)
        for name in sorted(left.keys() | right.keys()):
            yield from differences(left.get(name, ABSENT), right.get(name, ABSENT), f"{path}/{_escaped(name)}")
    elif _has_objects(before) and _has_objects(after):
        left_items, right_items = elements(before), elements(after)
        for index in range(max(len(left_items), len(right_items))):
            left_item = left_items[index] if index < len(left_items) else ABSENT
            right_item = right_items[index] if index < len(right_items) else ABSENT
            yield from differences(left_item, right_item, f"{path}/{index}")
    elif not same(before, after):
        yield Difference(path, before, after)


def same(before: object, after: object) -> bool:
    """Tell whether two JSON values are equal; true is not 1, and 1.0 is."""
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    if is_object(before) and is_object(after):
        left, right = members(before), members(after)
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if is_list(before) and is_list(after):
        left_items, right_items = elements(before), elements(after)
        return len(left_items) == len(right_items) and all(map(same, left_items, right_items))
    return before == after


def _has_objects(value: object) -> bool:
    return any(is_object(one) for one in elements(value))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def is_object(value: object) -> TypeGuard[Mapping[object, object]]:
    """Tell whether it is an object."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    """Tell whether it is an array."""
    return isinstance(value, list | tuple)


def members(value: object) -> dict[str, object]:
    """Return an object's members that are there (null stands for one that is not); nothing for anything else."""
    return {str(name): part for name, part in value.items() if part is not None} if is_object(value) else {}


def elements(value: object) -> list[object]:
    """Return an array's elements; nothing for anything else."""
    return [*value] if is_list(value) else []
