"""What a toolset does to the arguments of one tool: it narrows them by rules, and fixes some at a value of its own.

The schema that clients are shown has no fixed argument; the one that calls are judged by has it. So a call is judged
as a whole, after the gateway has put the fixed arguments in.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tallystick import guard
from tallystick.registry import rules
from tallystick.registry import toolset as nouns

_COMBINING: Final = ("allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas", "dependentRequired")
"""Keywords in which a schema may speak of an argument once more, besides `properties` and `required`."""
_SHARED: Final = ("$schema", "$id", "$defs", "definitions", "properties")
"""What the schema of one property may refer to."""


class Arguments(NamedTuple):
    """Two schemas of one tool: as `listed`, and as calls are `judged`."""

    listed: Mapping[str, object]
    judged: Mapping[str, object]


def change_arguments(schema: Mapping[str, object], override: nouns.ToolOverride) -> Arguments | str:
    """Return the schemas that an override makes of a tool's own, or what is wrong with the override."""
    judged = rules.tighten(schema, override.arguments) if override.arguments else schema
    if isinstance(judged, str):
        return judged
    if not override.fixed:
        return Arguments(judged, judged)
    wrong = _unfit(judged, override.fixed)
    return wrong if wrong is not None else Arguments(_without(judged, frozenset(override.fixed)), judged)


def _unfit(schema: Mapping[str, object], fixed: Mapping[str, object]) -> str | None:
    """Return why arguments cannot be fixed so, or None."""
    known = members(schema.get("properties"))
    for name in fixed:
        if name not in known:
            return f'there is no argument "{name}"; known: {", ".join(sorted(known)) or "none"}'
        if any(name in _named(schema[key]) for key in _COMBINING if key in schema):
            return f'"{name}" cannot be fixed: the schema speaks of it outside of `properties`'
    parts = {key: schema[key] for key in _SHARED if key in schema}
    validator = guard.compile_schema({**parts, "type": "object"})
    if isinstance(validator, guard.BadSchema):
        # The tool is left out for its schema anyway, with a notice that says so.
        return None
    refused = guard.check_arguments(validator, fixed)
    return None if refused is None else f"the fixed value does not fit the schema: {refused.detail}"


def _without(schema: Mapping[str, object], fixed: frozenset[str]) -> dict[str, object]:
    listed = {**schema, "properties": {k: v for k, v in members(schema.get("properties")).items() if k not in fixed}}
    required = schema.get("required")
    if isinstance(required, list | tuple):
        listed["required"] = [name for name in required if name not in fixed]  # pyright: ignore[reportUnknownVariableType] - JSON
    for bound in ("minProperties", "maxProperties"):
        number = schema.get(bound)
        if isinstance(number, int):
            listed[bound] = max(0, number - len(fixed))
    return listed


def _named(part: object) -> Iterator[str]:
    """Yield every text and every name in a part of a schema."""
    waiting = [part]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from members(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
            waiting.extend(members(value).values())  # pyright: ignore[reportUnknownArgumentType] - JSON
        elif isinstance(value, list | tuple):
            waiting.extend(value)  # pyright: ignore[reportUnknownArgumentType] - JSON


def members(value: object) -> dict[str, object]:
    """Return the members of a JSON object; nothing of anything else."""
    return {str(name): part for name, part in value.items()} if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
