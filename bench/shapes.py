"""The kinds of call that are measured: which server and tool, with which arguments, answered by how much and how.

The benchmark's own server (`bench.upstream`) serves them; the gateway's configuration names them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

KIB: Final = 1024
MIB: Final = KIB * KIB
SERVERS: Final = 50
"""Servers of the large toolset, each with `TOOLS_EACH` tools."""
TOOLS_EACH: Final = 20

TRACKER: Final = "tracker"
SHAPES: Final = "shapes"
FLEET: Final = "fleet"
"""Paths of the server: the tracker of the usual call, the other kinds of call, and `/fleet/<number>`."""

ARGUMENTS: Final[Mapping[str, object]] = {
    "query": "is:open label:bug repo:acme/payments timeout in settlement worker",
    "per_page": 30,
    "page": 1,
    "sort": "updated",
    "note": "abcdefghijklmnopqrstuvwxyz",
}
ARGUMENTS_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "minLength": 1, "maxLength": 500},
        "per_page": {"type": "integer", "minimum": 1, "maximum": 100},
        "page": {"type": "integer", "minimum": 1},
        "sort": {"type": "string", "enum": ["created", "updated", "comments"]},
        "note": {"type": "string", "maxLength": 200},
    },
    "required": ["query"],
    "additionalProperties": False,
}
_DOCUMENT_SCHEMA: Final = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 200}, "document": {"type": "string", "maxLength": 100_000}},
    "required": ["title", "document"],
    "additionalProperties": False,
}


def _records(size: int) -> str:
    """Return JSON lines of about `size` bytes, as tools answer with them: plain words, quotes and line ends."""
    line = json.dumps({"id": 4711, "title": "timeout in settlement of card payments", "state": "open", "votes": 12})
    return "\n".join([line] * (size // (len(line) + 15)))  # in JSON each quote and each line end takes a byte more


FOUND: Final = json.dumps(
    {"total": 2, "items": ["settlement worker times out", "timeout in settlement of card payments"]}
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One tool: what is sent to it, and with how many progress events and which text it answers."""

    tool: str
    arguments: Mapping[str, object] = field(default_factory=lambda: ARGUMENTS)
    schema: Mapping[str, object] = field(default_factory=lambda: ARGUMENTS_SCHEMA)
    events: int = 0
    text: str = FOUND


SEARCH: Final = Shape("search_issues")
"""The call that is measured most: no policy looks at its arguments."""

SEARCH_READ: Final = Shape("search_customer_issues")
"""The same, over whose arguments a policy decides."""

EVENTS_1: Final = Shape("search_with_1_event", events=1)
EVENTS_10: Final = Shape("search_with_10_events", events=10)
ARGUMENTS_32K: Final = Shape(
    "file_document", {"title": "settlement report", "document": _records(32 * KIB)}, _DOCUMENT_SCHEMA
)
RESULT_32K: Final = Shape("read_document", text=_records(32 * KIB))
RESULT_1M: Final = Shape("export_documents", text=_records(MIB))
OF_SHAPES: Final = (EVENTS_1, EVENTS_10, ARGUMENTS_32K, RESULT_32K, RESULT_1M)

FLEET_TOOLS: Final = tuple(f"look_up_{number:02}" for number in range(TOOLS_EACH))
