"""The MCP server that every contestant calls: as cheap as correct answers can be, so that the way to it is measured.

MCP 2026-07-28 and 2025-11-25, Streamable HTTP: JSON answers with the id of the request. It knows no limits and trusts
its callers: for measuring on loopback only. `python -m bench.upstream PORT`.
"""

import asyncio
import json
import signal
import sys
from typing import Final

import msgspec
import uvloop

TOOL: Final = "search_issues"
"""The tool that is measured: no policy looks at its arguments."""

READ_TOOL: Final = "search_customer_issues"
"""The same tool, over whose arguments a policy decides."""

_SCHEMA: Final = {
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
_NAMES: Final = (TOOL, READ_TOOL, "get_issue", "list_labels", "list_users", "get_user", "create_issue", "close_issue")
TOOLS: Final = [
    {"name": name, "description": f"{name.replace('_', ' ')} of the tracker", "inputSchema": _SCHEMA} for name in _NAMES
]
_FOUND: Final = json.dumps(
    {"total": 2, "items": ["settlement worker times out", "timeout in settlement of card payments"]}
)
_ANSWERS: Final[dict[str, dict[str, object]]] = {
    "tools/call": {"content": [{"type": "text", "text": _FOUND}], "isError": False},
    "tools/list": {"tools": TOOLS},
    "ping": {},
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "bench", "version": "1"},
    },
    "server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}},
}
_MODERN: Final = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
_LENGTH: Final = b"content-length:"


class _Request(msgspec.Struct):
    method: str
    id: msgspec.Raw = msgspec.Raw()


_read: Final = msgspec.json.Decoder(_Request).decode
_LEGACY_RESULTS: Final = {method: msgspec.json.encode(result) for method, result in _ANSWERS.items()}
_MODERN_RESULTS: Final = {method: msgspec.json.encode({**result, **_MODERN}) for method, result in _ANSWERS.items()}


def answer(head: bytes, body: bytes) -> bytes:
    """Return the HTTP response to one request; `head` is the request's head in lower case."""
    if not body:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    request = _read(body)
    if not bytes(request.id):
        return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    results = _MODERN_RESULTS if b"\nmcp-protocol-version: 2026-07-28" in head else _LEGACY_RESULTS
    result = results.get(request.method)
    if result is None:
        text = b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32601,"message":"unknown method"}}' % bytes(request.id)
    else:
        text = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (bytes(request.id), result)
    session = b"Mcp-Session-Id: bench\r\n" if request.method == "initialize" else b""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    return head % (session, len(text)) + text


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride] - a TCP loop gives no other kind of transport
        self, transport: asyncio.WriteTransport
    ) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._transport is not None and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[: end + 2].lower()
            at = head.find(_LENGTH)
            length = int(head[at + len(_LENGTH) : head.find(b"\r", at)]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._transport.write(answer(head, body))


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(_Connection, "127.0.0.1", port, backlog=2048)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
