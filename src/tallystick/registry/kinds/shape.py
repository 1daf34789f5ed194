"""Builds JSON Schema (2020-12) that says what `settings.Section` accepts: null is a member that is not there."""

from collections.abc import Mapping
from typing import Final

from tallystick.registry.plain import as_list

Schema = Mapping[str, object]
MANY: Final = 2**53 - 1


def text(doc: str, pattern: str = "") -> Schema:
    """A text; `pattern`: for all of it."""
    return {"type": "string", "description": doc} | ({"pattern": f"^(?:{pattern})$"} if pattern else {})


def choice(doc: str, *allowed: str) -> Schema:
    """One of a few words."""
    return {"enum": list(allowed), "description": doc}


def flag(doc: str) -> Schema:
    """True or false."""
    return {"type": "boolean", "description": doc}


def integer(doc: str, low: int, high: int) -> Schema:
    """A whole number from `low` to `high`."""
    return {"type": "integer", "minimum": low, "maximum": high, "description": doc}


def number(doc: str, low: float, high: float) -> Schema:
    """A number from `low` to `high`."""
    return {"type": "number", "minimum": low, "maximum": high, "description": doc}


def texts(doc: str, *allowed: str) -> Schema:
    """A list of texts, of the `allowed` ones where some are given."""
    return {"type": "array", "items": {"enum": list(allowed)} if allowed else {"type": "string"}, "description": doc}


def words(doc: str, *allowed: str) -> Schema:
    """A list of texts that are not empty, none of them twice."""
    one: Schema = {"enum": list(allowed)} if allowed else {"type": "string", "minLength": 1}
    return {"type": "array", "items": one, "uniqueItems": True, "description": doc}


def listed(doc: str, one: Schema) -> Schema:
    """A list of things of one shape."""
    return {"type": "array", "items": one, "description": doc}


def named(doc: str, one: Schema, pattern: str = "") -> Schema:
    """A mapping of names to things of one shape; null is such a thing with nothing in it."""
    names: Schema = {"propertyNames": {"pattern": f"^(?:{pattern})$"}} if pattern else {}
    return {"type": "object", "additionalProperties": one, **names, "description": doc}


def free(doc: str) -> Schema:
    """A mapping that somebody else gives a meaning to."""
    return {"type": "object", "description": doc}


def members(
    doc: str,
    optional: Mapping[str, Schema],
    required: Mapping[str, Schema] | None = None,
    also: Schema | None = None,
) -> Schema:
    """A mapping with these members and no others; `also` are further keywords, such as what goes with what."""
    needed = required or {}
    return {
        "type": "object",
        "properties": {**needed, **{name: or_null(schema) for name, schema in optional.items()}},
        **({"required": list(needed)} if needed else {}),
        "additionalProperties": False,
        **(also or {}),
        "description": doc,
    }


def or_null(schema: Schema) -> Schema:
    """The same, or nothing: null, and an empty text where a pattern is asked for."""
    doc: Schema = {"description": schema["description"]} if "description" in schema else {}
    match schema:
        case {"type": str(kind)}:
            pattern = schema.get("pattern")
            lenient: Schema = {"pattern": f"{pattern[:-1]}?$"} if isinstance(pattern, str) else {}
            return {**schema, "type": [kind, "null"], **lenient}
        case {"enum": allowed}:
            return {**schema, "enum": [*as_list(allowed), None]}
        case _:
            return {"anyOf": [schema, {"type": "null"}], **doc}


def said(*names: str) -> Schema:
    """A keyword for each of `names`: it is there and says something (null and the empty text do not)."""
    return {"properties": {name: {"not": {"enum": [None, ""]}} for name in names}, "required": list(names)}


def one_of(*names: str) -> Schema:
    """Exactly one of the members says something."""
    return {"oneOf": [said(name) for name in names]}


def any_of(*names: str) -> Schema:
    """At least one of the members is a list with something in it."""
    return {"anyOf": [{"properties": {name: {"type": "array", "minItems": 1}}, "required": [name]} for name in names]}
