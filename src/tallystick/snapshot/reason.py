"""The argument in which a model says why it chose a tool: the gateway adds it to the tool's schema, and keeps it.

Pure. The server behind the tool never sees the argument; what it is called with is judged by the pinned schema.
"""

from collections.abc import Iterator, Mapping
from typing import Final

LONGEST: Final = 2000
"""Characters (code points) of a reason."""

_NAME: Final = "reason"
_OTHER_NAME: Final = "tallystick_reason"
_SCHEMA: Final[Mapping[str, object]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST,
    "description": "Why you chose this tool for what you are doing, in a sentence or two. It is kept on record.",
}


def with_reason(definition: Mapping[str, object]) -> tuple[Mapping[str, object], str]:
    """Return an MCP tool object with one more required argument, and that argument's name."""
    schema = _object(definition.get("inputSchema"))
    taken = frozenset(_names(schema))
    name = _NAME if _NAME not in taken else _OTHER_NAME
    while name in taken:
        name += "_"
    required = schema.get("required")
    asked: list[object] = [*required] if isinstance(required, list | tuple) else []
    changed: dict[str, object] = {
        **schema,
        "type": "object",
        "properties": {**_object(schema.get("properties")), name: _SCHEMA},
        "required": [*asked, name],
    }
    most = schema.get("maxProperties")
    if isinstance(most, int):
        changed["maxProperties"] = most + 1
    return {**definition, "inputSchema": changed}, name


def fits(reason: object) -> bool:
    """Tell whether a value is a reason as the added argument's schema has it."""
    if not isinstance(reason, str) or not 0 < len(reason) <= LONGEST:
        return False
    # What is no Unicode has no bytes that could be committed to.
    return not any("\ud800" <= letter <= "\udfff" for letter in reason)


def _names(schema: object) -> Iterator[str]:
    """Yield every name of a property, however deep: one too many only makes the added name a longer one."""
    if isinstance(schema, Mapping):
        yield from _object(schema.get("properties"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON
        for part in schema.values():  # pyright: ignore[reportUnknownVariableType] - JSON
            yield from _names(part)  # pyright: ignore[reportUnknownArgumentType] - JSON
    elif isinstance(schema, list | tuple):
        for part in schema:  # pyright: ignore[reportUnknownVariableType] - JSON
            yield from _names(part)  # pyright: ignore[reportUnknownArgumentType] - JSON


def _object(value: object) -> Mapping[str, object]:
    return {str(name): part for name, part in value.items()} if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
