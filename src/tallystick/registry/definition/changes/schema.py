"""What changed between two JSON Schemas (2020-12), by structure: wider, narrower, breaking, or not to be told.

It follows `properties`, `items`, `$defs` and the like; `$ref` is compared as written, since what it points to is looked
at where it stands. It answers for a reviewer, and decides nothing.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from tallystick.registry.definition.changes.bounds import compare_bounds
from tallystick.registry.definition.changes.model import Change
from tallystick.registry.definition.changes.words import compare_words
from tallystick.registry.definition.plain import list_of, object_of, text_of

DEPTH: Final = 24
"""Levels of a schema that are followed."""

MOST: Final = 100
"""Changes of one schema that are told."""

_TEXTS: Final = ("title", "description", "$comment")
_SHOWN: Final = ("default", "examples")
_SAME_WAY: Final = ("contains", "propertyNames")
_ONE: Final = ("items", "contains", "propertyNames", "not", "if", "then", "else", "unevaluatedItems")
_NAMED: Final = ("$defs", "definitions", "patternProperties", "dependentSchemas")
_SEVERAL: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_OPENING: Final = ("additionalProperties", "unevaluatedProperties")
_AS_WRITTEN: Final = (
    "$ref",
    "$dynamicRef",
    "$anchor",
    "$dynamicAnchor",
    "$id",
    "$schema",
    "dependentRequired",
    "x-mcp-header",
)


def compare_schemas(before: object, after: object) -> tuple[Change, ...]:
    """Return what changed from one schema to another, the outermost first, `MOST` changes at most."""
    return tuple(islice(_compare(before, after, "", DEPTH), MOST))


def _compare(before: object, after: object, place: str, levels: int) -> Iterator[Change]:
    if before == after:
        return
    old, new = _schema_of(before), _schema_of(after)
    if levels == 0 or old is None or new is None:
        yield _whole(before, after, place)
        return
    yield from compare_bounds(old, new, place)
    yield from _texts(old, new, place)
    yield from _properties(old, new, place, levels)
    yield from _openings(old, new, place, levels)
    yield from _within(old, new, place, levels)
    yield from _as_written(old, new, place)


def _schema_of(value: object) -> Mapping[str, object] | None:
    """Return a schema as an object: `true` is the empty one, `false` and what is no schema have none."""
    if value is True or value is None:
        return {}
    return object_of(value) if isinstance(value, dict | Mapping) else None  # pyright: ignore[reportUnknownArgumentType] - JSON


def _whole(before: object, after: object, place: str) -> Change:
    if after is False:
        return Change("breaking", place, "nothing fits here any more", before, after)
    if before is False:
        return Change("wider", place, "something fits here that did not", before, after)
    return Change("unclear", place, "differs too deeply inside to be told", None, None)


def _texts(old: Mapping[str, object], new: Mapping[str, object], place: str) -> Iterator[Change]:
    for keyword in _TEXTS:
        before, after = text_of(old.get(keyword)), text_of(new.get(keyword))
        if before != after:
            words = compare_words(before, after)
            yield Change("unclear", _at(place, keyword), f"the {keyword} says: {words}", before, after, is_text=True)
    for keyword in _SHOWN:
        if old.get(keyword) != new.get(keyword):
            yield Change("unclear", place, f"`{keyword}` changed", old.get(keyword), new.get(keyword), is_text=True)


def _properties(old: Mapping[str, object], new: Mapping[str, object], place: str, levels: int) -> Iterator[Change]:
    before, after = object_of(old.get("properties")), object_of(new.get("properties"))
    needed = {str(name) for name in list_of(new.get("required"))}
    was_needed = {str(name) for name in list_of(old.get("required"))}
    for name in sorted(needed - was_needed):
        what = "a new required argument" if name not in before else "is now required"
        yield Change("breaking", _at(place, name), what, None, after.get(name))
    for name in sorted(was_needed - needed):
        yield Change("wider", _at(place, name), "is no longer required", True, False)  # noqa: FBT003 - values
    for name, schema in after.items():
        if name not in before and name not in needed:
            yield Change("wider", _at(place, name), "a new optional argument", None, schema)
        elif name in before:
            yield from _compare(before[name], schema, _at(place, name), levels - 1)
    for name in before:
        if name not in after:
            is_closed = new.get("additionalProperties") is False
            text = "is gone" if is_closed else "is gone, and so is what bounded it"
            yield Change("breaking" if is_closed else "unclear", _at(place, name), text, before[name], None)


def _openings(old: Mapping[str, object], new: Mapping[str, object], place: str, levels: int) -> Iterator[Change]:
    for keyword in _OPENING:
        before, after = old.get(keyword, True), new.get(keyword, True)
        if before == after:
            continue
        if before is False or after is False:
            text = f"`{keyword}` is {'closed' if after is False else 'opened'}"
            yield Change("narrower" if after is False else "wider", place, text, before, after)
        else:
            yield from _compare(before, after, _at(place, keyword), levels - 1)


def _within(old: Mapping[str, object], new: Mapping[str, object], place: str, levels: int) -> Iterator[Change]:
    for keyword in _ONE:
        before, after = old.get(keyword), new.get(keyword)
        if keyword == "items" or (
            before is not None and after is not None and keyword in ("contains", "propertyNames")
        ):
            yield from _compare(before, after, _at(place, keyword), levels - 1)
        elif before != after:
            # Under a negation or a condition, what is wider inside may be narrower outside.
            yield Change("unclear", place, f"`{keyword}` changed", before, after)
    for keyword in _NAMED:
        before, after = object_of(old.get(keyword)), object_of(new.get(keyword))
        for name in dict.fromkeys((*before, *after)):
            where = _at(_at(place, keyword), name)
            if name in before and name in after:
                yield from _compare(before[name], after[name], where, levels - 1)
            else:
                yield Change(
                    "unclear", where, "is new" if name in after else "is gone", before.get(name), after.get(name)
                )
    for keyword in _SEVERAL:
        yield from _several(list_of(old.get(keyword)), list_of(new.get(keyword)), _at(place, keyword), levels)


def _several(before: object, after: object, place: str, levels: int) -> Iterator[Change]:
    old, new = list_of(before), list_of(after)
    if len(old) != len(new):
        yield Change("unclear", place, f"has {len(new)} schemas instead of {len(old)}", before, after)
        return
    for index, (one, other) in enumerate(zip(old, new, strict=True)):
        yield from _compare(one, other, f"{place}/{index}", levels - 1)


def _as_written(old: Mapping[str, object], new: Mapping[str, object], place: str) -> Iterator[Change]:
    for keyword in _AS_WRITTEN:
        if old.get(keyword) != new.get(keyword):
            yield Change("unclear", place, f"`{keyword}` changed", old.get(keyword), new.get(keyword))


def _at(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name
