"""Plain JSON values, looked at without trusting their shape: what is of another kind counts as empty."""

from collections.abc import Mapping, Sequence


def object_of(value: object) -> Mapping[str, object]:
    """Return a JSON object; anything else is an empty one."""
    return {str(name): part for name, part in value.items()} if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def list_of(value: object) -> Sequence[object]:
    """Return a JSON list; anything else is an empty one."""
    return [*value] if isinstance(value, list | tuple) else []  # pyright: ignore[reportUnknownVariableType] - JSON


def text_of(value: object) -> str:
    """Return a text; anything else is an empty one."""
    return value if isinstance(value, str) else ""
