"""Keywords of JSON Schema 2020-12 (validation, section 6) that bound a value: which way a change moves it."""

from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.registry.definition.changes.model import Change, Direction
from tallystick.registry.definition.plain import list_of

_AT_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_AT_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_FLAGS: Final = ("uniqueItems",)
EXACT: Final = ("pattern", "format", "multipleOf", "contentEncoding", "contentMediaType")
"""A change of one of these is a tightening or a loosening only where it comes or goes."""

_JSON_TYPES: Final = ("null", "boolean", "object", "array", "number", "string", "integer")


def compare_bounds(before: Mapping[str, object], after: Mapping[str, object], place: str) -> Iterator[Change]:
    """Yield the changes of the bounds of one schema object."""
    for keyword in (*_AT_LEAST, *_AT_MOST):
        yield from _bound(before, after, place, keyword)
    for keyword in _FLAGS:
        old, new = before.get(keyword) is True, after.get(keyword) is True
        if old != new:
            yield _moved("narrower" if new else "wider", place, keyword, old, new)
    for keyword in EXACT:
        yield from _exact(before, after, place, keyword)
    yield from _types(before, after, place)
    yield from _values(before, after, place)


def _bound(before: Mapping[str, object], after: Mapping[str, object], place: str, keyword: str) -> Iterator[Change]:
    old, new = before.get(keyword), after.get(keyword)
    if old == new:
        return
    if isinstance(old, int | float) and isinstance(new, int | float):
        is_tighter = new > old if keyword in _AT_LEAST else new < old
        yield _moved("narrower" if is_tighter else "wider", place, keyword, old, new)
    else:
        yield _moved("wider" if new is None else "narrower" if old is None else "unclear", place, keyword, old, new)


def _exact(before: Mapping[str, object], after: Mapping[str, object], place: str, keyword: str) -> Iterator[Change]:
    old, new = before.get(keyword), after.get(keyword)
    if old != new:
        yield _moved("wider" if new is None else "narrower" if old is None else "unclear", place, keyword, old, new)


def _types(before: Mapping[str, object], after: Mapping[str, object], place: str) -> Iterator[Change]:
    old, new = _named(before), _named(after)
    if old == new:
        return
    direction: Direction = (
        "wider" if old < new else "narrower" if new < old else "breaking" if not old & new else "unclear"
    )
    yield _moved(direction, place, "type", before.get("type"), after.get("type"))


def _named(schema: Mapping[str, object]) -> frozenset[str]:
    """Return the types that fit; every number that is an integer is a number too."""
    named = schema.get("type")
    types = {named} if isinstance(named, str) else {str(name) for name in list_of(named)} or set(_JSON_TYPES)
    return frozenset(types | ({"integer"} if "number" in types else set()))


def _values(before: Mapping[str, object], after: Mapping[str, object], place: str) -> Iterator[Change]:
    old, new = _allowed(before), _allowed(after)
    if old == new:
        return
    if old is None or new is None:
        yield Change("wider" if new is None else "narrower", place, _told("the list of values", old, new), old, new)
        return
    added, gone = [value for value in new if value not in old], [value for value in old if value not in new]
    if added:
        yield Change("wider", place, f"takes further values: {_some(added)}", None, added)
    if gone:
        yield Change("breaking", place, f"no longer takes the values: {_some(gone)}", gone, None)


def _allowed(schema: Mapping[str, object]) -> list[object] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(list_of(schema["enum"])) if "enum" in schema else None


def _moved(direction: Direction, place: str, keyword: str, old: object, new: object) -> Change:
    return Change(direction, place, _told(f"`{keyword}`", old, new), old, new)


def _told(what: str, old: object, new: object) -> str:
    if old is None:
        return f"{what} is new: {_short(new)}"
    if new is None:
        return f"{what} is gone: it was {_short(old)}"
    return f"{what} was {_short(old)}, is {_short(new)}"


def _some(values: list[object]) -> str:
    shown = ", ".join(_short(value) for value in values[:8])
    return shown if len(values) <= 8 else f"{shown} and {len(values) - 8} more"  # noqa: PLR2004 - as above


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - a line that can be read
