"""The heads of what leaves: built from nothing, so that no header of a client is ever copied, above all not its token.

Only `Mcp-Param-*` headers pass, because a server of the newer era compares them with its arguments.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tallystick.gateway.upstream.model import Outbound
from tallystick.wire import Era, envelope

KNOWN: Final = 1_024
"""Heads kept at most, one for each method and name: building one costs more than the rest of a request's frame."""

KNOWN_NAME: Final = 512
"""Characters of a name whose head is kept: clients choose the names of resources and prompts."""

_field_name: Final = re.compile(r"mcp-param-[!#$%&'*+.^_`|~0-9a-z-]+", re.IGNORECASE).fullmatch
_field_value: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch


class Heads:
    """The heads of requests to one URL."""

    def __init__(self, url: str) -> None:
        """Take an absolute http or https URL. Credentials in it are not sent."""
        parts = urlsplit(url)
        self.host, self.tls = parts.hostname or "", parts.scheme == "https"
        self.port = parts.port or (443 if self.tls else 80)
        target = ((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode()
        host = parts.netloc.rpartition("@")[2].encode()
        self._lines = {verb: b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (verb, target, host) for verb in _VERBS}
        self._post = (
            b"%bContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
            % (self._lines[b"POST"])
        )
        self._known: dict[tuple[str, str, object], bytes] = {}

    def modern(self, outbound: Outbound, era: Era, body: bytes) -> bytes:
        """Return a request of an era without sessions: its head repeats what a router needs of its body."""
        params = outbound.params
        key = era.version, outbound.method, params.get("name") or params.get("uri") or params.get("taskId")
        # Only short text makes a key: what else a client puts there may not even be hashable, or be the whole memory.
        keeps = isinstance(key[2], str) and len(key[2]) <= KNOWN_NAME
        head = self._known.get(key) if keeps else None
        if head is None:
            head = self._modern(outbound, era)
            if keeps:
                if len(self._known) >= KNOWN:
                    self._known.clear()
                self._known[key] = head
        if outbound.param_headers or outbound.mirrored:
            head += b"".join(_param_lines(outbound))
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    def post(self, lines: bytes, body: bytes) -> bytes:
        """Return a request with the header `lines` of a session, empty while it is opened."""
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (self._post, lines, len(body), body)

    def get(self, lines: bytes, last_id: bytes = b"") -> bytes:
        """Return the request for the stream of a session, or for what comes after the event `last_id` of any stream."""
        resumed = b"Last-Event-ID: %b\r\n" % last_id if last_id else b""
        return b"%bAccept: text/event-stream\r\n%b%b\r\n" % (self._lines[b"GET"], lines, resumed)

    def delete(self, lines: bytes) -> bytes:
        """Return the request that ends a session."""
        return b"%b%b\r\n" % (self._lines[b"DELETE"], lines)

    def _modern(self, outbound: Outbound, era: Era) -> bytes:
        lines = [self._post, b"MCP-Protocol-Version: %b\r\n" % era.version.encode()]
        if era.mirrored:
            lines.append(b"Mcp-Method: %b\r\n" % outbound.method.encode())
            name = envelope.name_header(outbound.method, outbound.params)
            if name is not None:
                lines.append(b"Mcp-Name: %b\r\n" % name.encode())
        return b"".join(lines)


_VERBS: Final = (b"POST", b"GET", b"DELETE")


def _param_lines(outbound: Outbound) -> Iterator[bytes]:
    arguments = outbound.params.get("arguments")
    # INVARIANT: a header that the tool asks for says what its argument says, whatever the client sent; one that it does
    # not ask for passes unread (2026-07-28, streamable-http: intermediaries forward what they do not recognise).
    own = {name.lower() for name, _ in outbound.mirrored}
    fields = {name: value for name, value in outbound.param_headers.items() if name.lower() not in own}
    if outbound.mirrored and isinstance(arguments, dict):
        fields |= envelope.param_headers(outbound.mirrored, arguments)  # pyright: ignore[reportUnknownArgumentType] - parsed JSON
    for name, value in fields.items():
        # INVARIANT: nothing that a client says can end a header line, or become another header than its own.
        if _field_name(name) and _field_value(value):
            yield b"%b: %b\r\n" % (name.encode(), value.encode("latin-1"))
