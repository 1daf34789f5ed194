"""The headers of a request that the gateway reads, out of ASGI's pairs."""

from collections.abc import Sequence
from typing import Final

from tallystick.wire import Headers

_ROUTING: Final = frozenset(
    {
        b"mcp-protocol-version",
        b"mcp-method",
        b"mcp-name",
        b"mcp-session-id",
        b"authorization",
        b"host",
        b"origin",
        b"content-type",
    }
)


def read_headers(pairs: Sequence[tuple[bytes, bytes]]) -> Headers:
    """Pick the headers that the gateway reads out of ASGI's (lower-case) pairs."""
    headers, found = Headers(), dict(pairs)
    for name, value in found.items():
        if name.startswith(b"mcp-param-"):
            headers.params[name.decode("latin-1")] = value.decode("latin-1").strip(" \t")
    if len(found) != len(pairs):
        headers.duplicated = _duplicated(pairs)
    headers.authorization = found.get(b"authorization")
    headers.host = found.get(b"host", b"")
    headers.origin = found.get(b"origin")
    headers.content_type = found.get(b"content-type", b"")
    headers.version = _text(found.get(b"mcp-protocol-version"))
    headers.method = _text(found.get(b"mcp-method"))
    headers.name = _text(found.get(b"mcp-name"))
    headers.session = _text(found.get(b"mcp-session-id"))
    headers.trace = _text(found.get(b"traceparent"))
    return headers


def _duplicated(pairs: Sequence[tuple[bytes, bytes]]) -> str | None:
    """Return the name of a header that came twice, where it matters what it says."""
    seen: set[bytes] = set()
    for name, _ in pairs:
        if name in seen and (name in _ROUTING or name.startswith(b"mcp-param-")):
            return name.decode("latin-1")
        seen.add(name)
    return None


def _text(value: bytes | None) -> str | None:
    # The parser leaves the blanks after a value in place (RFC 9110, section 5.5).
    return None if value is None else value.decode("latin-1").strip(" \t")
