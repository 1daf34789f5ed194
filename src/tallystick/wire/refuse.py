"""How a refusal is told in MCP: one table from reasons to JSON-RPC codes and HTTP statuses.

This is the MCP surface's translation point. JSON-RPC 2.0 section 5.1; MCP 2026-07-28 basic/index (error codes). Our own
codes lie outside -32768..-32000, which is reserved.
"""

from typing import Final

from tallystick.terms import Reason, Refusal

_BY_REASON: Final[dict[Reason, tuple[int, int]]] = {
    Reason.MALFORMED: (-32700, 400),
    Reason.TOO_LARGE: (-32600, 413),
    Reason.HOST_REFUSED: (-32600, 421),
    Reason.ORIGIN_REFUSED: (-32600, 403),
    Reason.HEADER_MISMATCH: (-32020, 400),
    Reason.VERSION_UNSUPPORTED: (-32022, 400),
    Reason.META_MISSING: (-32602, 400),
    Reason.METHOD_UNKNOWN: (-32601, 404),
    Reason.SESSION_REQUIRED: (-32600, 400),
    Reason.SESSION_UNKNOWN: (-32600, 404),
    Reason.ROUTE_UNKNOWN: (-32600, 404),
    Reason.FLOODED: (-31029, 429),
    Reason.TOOL_UNKNOWN: (-32602, 200),
    Reason.ARGUMENTS_INVALID: (-32602, 200),
    Reason.CONTEXT_REQUIRED: (-32602, 200),
}
"""Reasons that MCP or HTTP has an own word for."""

_BY_CODE: Final[dict[str, tuple[int, int]]] = {
    "invalid": (-32602, 400),
    "unauthenticated": (-31001, 401),
    "denied": (-31003, 200),
    "not_found": (-32602, 200),
    "conflict": (-31009, 200),
    "approval_required": (-31002, 200),
    "limited": (-31029, 200),
    "unavailable": (-31053, 503),
    "upstream": (-31052, 200),
    "internal": (-32603, 500),
}
"""Everything else, by the kind of refusal."""

STATUSES: Final = {-32601: 404} | dict.fromkeys((-32700, -32600, -32602, -32020, -32021, -32022), 400)
"""HTTP statuses of JSON-RPC errors in 2026-07-28; every other code travels under 200."""


def tell(refusal: Refusal) -> tuple[int, int]:
    """Return the JSON-RPC code and the HTTP status of a refusal; its first reason decides."""
    return _BY_REASON.get(refusal.reasons[0]) or _BY_CODE[refusal.code]
