"""Tool arguments as Cedar sees them: JSON Schema to Cedar types, and JSON values to values of those types.

string and enum of strings -> String, integer -> Long, boolean -> Bool, number -> decimal (four fraction digits),
array -> Set, object with properties -> record. A member is optional unless the schema requires it; null counts as
absent. Left out, and so invisible to policies: unions of different types, free-form objects, tuples, recursive types,
and names that start with two underscores (Cedar's JSON gives those a meaning of its own).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Literal, TypeAlias

_UNIONS = ("anyOf", "oneOf")
_COMPOSED = frozenset({"$ref", *_UNIONS})
LONG = range(-(2**63), 2**63)
DEPTH = 8
"""Deepest nesting that policies can look into."""
_DIGITS = 4
"""Fraction digits of Cedar's decimal; its whole is a Long of ten-thousandths."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A Cedar String, Long, Bool or decimal."""

    name: Literal["String", "Long", "Bool", "decimal"]


@dataclass(frozen=True, slots=True)
class Several:
    """A Cedar Set."""

    item: "Kind"


@dataclass(frozen=True, slots=True)
class Record:
    """A Cedar record; `required` names the members that are always there."""

    members: Mapping[str, "Kind"]
    required: frozenset[str]


Kind: TypeAlias = Scalar | Several | Record
_SCALARS = {
    "string": Scalar("String"),
    "integer": Scalar("Long"),
    "boolean": Scalar("Bool"),
    "number": Scalar("decimal"),
}


def mapping(value: object) -> Mapping[str, object]:
    """Return a JSON object as a mapping; anything else is an empty one."""
    # A dict is what nearly all are, and far cheaper to recognise than any mapping.
    if not isinstance(value, dict) and not isinstance(value, Mapping):
        return {}
    return {key: item for key, item in value.items() if isinstance(key, str)}  # pyright: ignore[reportUnknownVariableType] - JSON


def sequence(value: object) -> tuple[object, ...]:
    """Return a JSON array as a tuple; anything else is an empty one."""
    return tuple(value) if isinstance(value, list | tuple) else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON


def arguments_kind(input_schema: Mapping[str, object]) -> Record:
    """Return the record type of a tool's arguments."""
    return _record(input_schema, input_schema, DEPTH) or Record({}, frozenset())


def cedar_type(kind: Kind) -> dict[str, object]:
    """Return `kind` in Cedar's JSON schema format."""
    match kind:
        case Scalar("decimal"):
            return {"type": "Extension", "name": "decimal"}
        case Scalar(name):
            return {"type": {"Bool": "Boolean"}.get(name, name)}
        case Several(item):
            return {"type": "Set", "element": cedar_type(item)}
        case Record(members, required):
            typed = {name: {**cedar_type(member), "required": name in required} for name, member in members.items()}
            return {"type": "Record", "attributes": typed}


def text_of(kind: Kind) -> str:
    """Return `kind` as a text that no other kind has; far cheaper than its JSON."""
    match kind:
        case Scalar(name):
            return name
        case Several(item):
            return f"[{text_of(item)}]"
        case Record(members, required):
            parts = (f"{name!r}{'' if name in required else '?'}:{text_of(members[name])}" for name in sorted(members))
            return f"{{{','.join(parts)}}}"


def project(kind: Kind, value: object) -> object:
    """Return `value` in Cedar's JSON format, or None if Cedar cannot represent it (range, precision, type)."""
    match kind:
        case Scalar(name):
            return _PROJECTIONS[name](value)
        case Several(item):
            if not isinstance(value, list | tuple):
                return None
            items = [project(item, part) for part in sequence(value)]  # pyright: ignore[reportUnknownArgumentType] - JSON
            return None if None in items else items
        case Record(members, _):
            return project_members(members, value)


def project_members(members: Mapping[str, Kind], value: object) -> dict[str, object] | None:
    """Return the named members of `value`, absent and null ones left out; None if one of them cannot be represented."""
    if not isinstance(value, Mapping):
        return None
    source = mapping(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
    projected = {name: project(kind, source[name]) for name, kind in members.items() if source.get(name) is not None}
    return None if None in projected.values() else projected


def _kind(schema: Mapping[str, object], root: Mapping[str, object], depth: int) -> tuple[Kind, bool] | None:
    """Return the type and whether null is allowed, or None for what Cedar cannot say."""
    if depth == 0:
        return None
    plain = _SCALARS.get(str(schema.get("type")))
    if plain is not None and schema.keys().isdisjoint(_COMPOSED):
        return plain, False
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _kind(_resolve(reference, root), root, depth - 1)
    for key in _UNIONS:
        if key in schema:
            return _union([mapping(part) for part in sequence(schema[key])], root, depth)
    kinds = sequence(schema["type"]) if isinstance(schema.get("type"), list) else (schema.get("type"),)
    nullable = "null" in kinds
    rest = [kind for kind in kinds if kind != "null"]
    found = _simple(rest[0], schema, root, depth) if len(rest) == 1 else None
    return None if found is None else (found, nullable)


def _simple(word: object, schema: Mapping[str, object], root: Mapping[str, object], depth: int) -> Kind | None:
    if word == "array":
        item = _kind(mapping(schema.get("items")), root, depth - 1)
        return None if item is None or item[1] or "prefixItems" in schema else Several(item[0])
    if word == "object":
        return _record(schema, root, depth)
    if word is None:
        values = sequence(schema.get("enum")) or ((schema["const"],) if "const" in schema else ())
        return Scalar("String") if values and all(isinstance(value, str) for value in values) else None
    return _SCALARS.get(word) if isinstance(word, str) else None


def _union(parts: list[Mapping[str, object]], root: Mapping[str, object], depth: int) -> tuple[Kind, bool] | None:
    nullable = any(part.get("type") == "null" for part in parts)
    found = [_kind(part, root, depth - 1) for part in parts if part.get("type") != "null"]
    first = found[0] if found else None
    if first is None or any(other is None or other[0] != first[0] for other in found):
        return None
    return first[0], nullable or any(other is not None and other[1] for other in found)


def _record(schema: Mapping[str, object], root: Mapping[str, object], depth: int) -> Record | None:
    properties = mapping(schema.get("properties"))
    if "properties" not in schema:
        return None
    required = sequence(schema.get("required"))
    members: dict[str, Kind] = {}
    always: set[str] = set()
    for name, part in properties.items():
        found = None if name.startswith("__") else _kind(mapping(part), root, depth - 1)
        if found is not None:
            members[name] = found[0]
            if name in required and not found[1]:
                always.add(name)
    return Record(members, frozenset(always))


def _resolve(reference: str, root: Mapping[str, object]) -> Mapping[str, object]:
    if not reference.startswith("#/"):
        return {}
    here: Mapping[str, object] = root
    for step in reference[2:].split("/"):
        here = mapping(here.get(step.replace("~1", "/").replace("~0", "~")))
    return here


def _long(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    # JSON Schema calls 5.0 an integer; beyond 2**53 a float no longer says which one.
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    return value if isinstance(value, int) and value in LONG else None


def _decimal(value: object) -> dict[str, object] | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    # repr is the shortest text that reads back as the same float: what the caller wrote, not its binary neighbour.
    exact = Decimal(repr(value))
    scaled = exact.scaleb(_DIGITS)
    if scaled != scaled.to_integral_value() or int(scaled) not in LONG:
        return None
    return {"__extn": {"fn": "decimal", "arg": f"{exact:.{_DIGITS}f}"}}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


_PROJECTIONS: Mapping[str, Callable[[object], object]] = {
    "String": _text,
    "Bool": _truth,
    "Long": _long,
    "decimal": _decimal,
}
