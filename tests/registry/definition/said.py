"""Pins as plain documents, with what a test changes about them."""

from collections.abc import Mapping

Json = dict[str, object]

MODERN, SESSIONS = "2026-07-28", "2025-11-25"


def tool(name: str = "pay", **members: object) -> Json:
    """Return a tool; `members` replace its own."""
    schema: Json = {
        "type": "object",
        "properties": {"amount": {"type": "number", "maximum": 100}, "currency": {"enum": ["EUR", "USD"]}},
        "required": ["amount"],
        "additionalProperties": False,
    }
    return {"name": name, "description": "Pays a bill.", "inputSchema": schema} | members


def pin(*tools: Json, **members: object) -> Json:
    """Return a pin of a server that says nothing else; `members` are further members of the document."""
    eras: Json = {MODERN: {"instructions": "Be kind.", "capabilities": {"tools": {}}}}
    return {"server": "bank", "eras": eras, "tools": list(tools or [tool()])} | members


def saying(instructions: str | None) -> Mapping[str, object]:
    """Return the eras of a server with these instructions."""
    return {MODERN: {} if instructions is None else {"instructions": instructions}}
