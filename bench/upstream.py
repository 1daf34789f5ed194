"""The MCP server that every contestant calls: as cheap as correct answers can be, so that the way to it is measured.

MCP 2026-07-28 and 2025-11-25, Streamable HTTP: JSON answers or event streams with the id of the request, by the tool
that is called (`bench.shapes`), and idle streams. It knows no limits and trusts its callers: for measuring on loopback
only. `python -m bench.upstream PORT`.
"""

import asyncio
import signal
import sys
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Final

import msgspec
import uvloop

from bench.shapes import ARGUMENTS_SCHEMA, FLEET, FLEET_TOOLS, OF_SHAPES, SEARCH, SEARCH_READ, SHAPES

_TRACKER_TOOLS: Final = (
    SEARCH.tool,
    SEARCH_READ.tool,
    *("get_issue", "list_labels", "list_users", "get_user", "create_issue", "close_issue"),
)
_CAPABILITIES: Final = {"tools": {"listChanged": True}}
_MODERN: Final = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
_LENGTH: Final = b"content-length:"
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
_STREAM: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_sessions: Final = count(1)


class _Meta(msgspec.Struct):
    progress: msgspec.Raw = msgspec.field(name="progressToken", default=msgspec.Raw(b"null"))


class _Params(msgspec.Struct):
    name: str = ""
    meta: _Meta = msgspec.field(name="_meta", default_factory=_Meta)


class _Request(msgspec.Struct):
    method: str
    id: msgspec.Raw = msgspec.Raw()


class _Call(_Request):
    params: _Params = msgspec.field(default_factory=_Params)


_read: Final = msgspec.json.Decoder(_Request).decode
_read_call: Final = msgspec.json.Decoder(_Call).decode


def _text(words: str) -> Mapping[str, object]:
    return {"content": [{"type": "text", "text": words}], "isError": False}


def _tools(names: Iterable[str]) -> Mapping[str, object]:
    schemas = {shape.tool: shape.schema for shape in OF_SHAPES}
    named = [(name, f"{name.replace('_', ' ')} of the tracker", schemas.get(name, ARGUMENTS_SCHEMA)) for name in names]
    return {"tools": [{"name": name, "description": words, "inputSchema": schema} for name, words, schema in named]}


_ANSWERS: Final[dict[str, Mapping[str, object]]] = {
    "tools/call": _text(SEARCH.text),
    "tools/list": _tools(_TRACKER_TOOLS),
    "ping": {},
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": _CAPABILITIES,
        "serverInfo": {"name": "bench", "version": "1"},
    },
    "server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": _CAPABILITIES},
}


def _both(answers: Mapping[str, Mapping[str, object]]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return encoded results as a session era and as 2026-07-28 has them."""
    legacy = {name: msgspec.json.encode(result) for name, result in answers.items()}
    return legacy, {name: msgspec.json.encode({**result, **_MODERN}) for name, result in answers.items()}


_TRACKER_RESULTS: Final = _both(_ANSWERS)
_SHAPE_RESULTS: Final = _both({**_ANSWERS, "tools/list": _tools(shape.tool for shape in OF_SHAPES)})
_FLEET_RESULTS: Final = _both({**_ANSWERS, "tools/list": _tools(FLEET_TOOLS)})
_CALL_RESULTS: Final = _both({shape.tool: _text(shape.text) for shape in OF_SHAPES})
_EVENTS: Final = {shape.tool: shape.events for shape in OF_SHAPES}


def answer(head: bytes, body: bytes) -> bytes:
    """Return the HTTP response to one request of the tracker; `head` is the request's head in lower case."""
    return _reply(head, _read(body), _TRACKER_RESULTS) if body else _empty()


def answers(head: bytes, body: bytes) -> tuple[bytes, ...]:
    """Return the HTTP response to one request in the pieces in which it is written."""
    if not body:
        return (_STREAM,) if head.startswith(b"get ") and b"text/event-stream" in head else (_empty(),)
    path = head[: head.find(b"\r")]
    if SHAPES.encode() in path:
        call = _read_call(body)
        if call.method == "tools/call":
            return _called(head, call)
        results = _SHAPE_RESULTS
    else:
        results = _FLEET_RESULTS if FLEET.encode() in path else _TRACKER_RESULTS
    request = _read(body)
    if request.method == "subscriptions/listen":
        return (_STREAM, _event(_acknowledged(request)))
    return (_reply(head, request, results),)


def _empty() -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def _reply(head: bytes, request: _Request, results: tuple[dict[str, bytes], dict[str, bytes]]) -> bytes:
    if not bytes(request.id):
        return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    result = results[b"\nmcp-protocol-version: 2026-07-28" in head].get(request.method)
    if result is None:
        text = b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32601,"message":"unknown method"}}' % bytes(request.id)
    else:
        text = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (bytes(request.id), result)
    session = b"Mcp-Session-Id: bench-%d\r\n" % next(_sessions) if request.method == "initialize" else b""
    return _HEAD % (session, len(text)) + text


def _called(head: bytes, call: _Call) -> tuple[bytes, ...]:
    result = _CALL_RESULTS[b"\nmcp-protocol-version: 2026-07-28" in head][call.params.name]
    text = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (bytes(call.id), result)
    events = _EVENTS[call.params.name]
    if not events:
        return (_HEAD % (b"", len(text)) + text,)
    told = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%b,"progress":%d,"total":%d}}'
    token = bytes(call.params.meta.progress)
    progress = [_event(told % (token, number + 1, events)) for number in range(events)]
    return (_STREAM, *progress, _event(text) + b"0\r\n\r\n")


def _acknowledged(request: _Request) -> bytes:
    return (
        b'{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":'
        b'{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/subscriptionId":%b}}}' % bytes(request.id)
    )


def _event(message: bytes) -> bytes:
    event = b"event: message\ndata: %b\n\n" % message
    return b"%x\r\n%b\r\n" % (len(event), event)


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
            self._write(answers(head, body))

    def _write(self, pieces: tuple[bytes, ...]) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(pieces[0])
        # Each event in a turn of its own, so that it travels alone, as events do.
        if pieces[1:]:
            asyncio.get_running_loop().call_soon(self._write, pieces[1:])


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(_Connection, "127.0.0.1", port, backlog=2048)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
