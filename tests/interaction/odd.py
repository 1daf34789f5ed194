"""A server written to the byte: it answers as no SDK does, to see what the gateway makes of every framing.

The tool's name says how: `plain`, `error_json`, `error_sse`, `garbage`, `cut_off`, `other_id`. `length` pads it.
"""

import json
from collections.abc import Mapping

import msgspec
from starlette.types import Message, Receive, Scope, Send

from tests.interaction.journal import Journal

TOOLS = ("plain", "error_json", "error_sse", "garbage", "cut_off", "other_id")
_SCHEMA = {"type": "object", "properties": {"length": {"type": "integer"}, "mark": {"type": "string"}}}
_CAPABILITIES: dict[str, object] = {"capabilities": {"tools": {}}}


class Odd:
    """The ASGI application."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST."""
        request = msgspec.json.decode(await body_of(receive) or b"{}", type=dict[str, object])
        method, params = str(request.get("method")), msgspec.convert(request.get("params", {}), dict[str, object])
        if "id" not in request:
            await _send(send, 202, b"", b"application/json")
        elif method == "tools/call":
            arguments = msgspec.convert(params.get("arguments", {}), dict[str, object])
            self._journal.write("call", tool=params["name"], arguments=arguments)
            await _answer(send, request["id"], str(params["name"]), arguments)
        else:
            self._journal.write("request", method=method)
            await _send(send, 200, _message(request["id"], result=_local(method)), b"application/json")


def _local(method: str) -> Mapping[str, object]:
    if method == "tools/list":
        tools = [{"name": name, "inputSchema": _SCHEMA} for name in TOOLS]
        return {"tools": tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    named = {"serverInfo": {"name": "odd", "version": "1"}, "protocolVersion": "2025-11-25"}
    return {**_CAPABILITIES, **named, "supportedVersions": ["2026-07-28"], "resultType": "complete"}


async def _answer(send: Send, request_id: object, tool: str, arguments: Mapping[str, object]) -> None:
    padding = "x" * int(str(arguments.get("length", 0)))
    error = {"code": -32042, "message": "odd " + padding}
    good = {"content": [{"type": "text", "text": "plain " + padding}], "resultType": "complete"}
    if tool == "garbage":
        await _send(send, 200, b"<html>out of order</html>", b"text/html")
    elif tool == "cut_off":
        await send(_head(200, b"application/json", 1000))
        await send({"type": "http.response.body", "body": b'{"jsonrpc":"2.0",', "more_body": True})
    elif tool == "error_sse":
        event = b"event: message\ndata: " + _message(request_id, error=error) + b"\n\n"
        await _send(send, 200, event, b"text/event-stream")
    elif tool == "error_json":
        await _send(send, 200, _message(request_id, error=error), b"application/json")
    else:
        answered = "not this one" if tool == "other_id" else request_id
        await _send(send, 200, _message(answered, result=good), b"application/json")


def _message(request_id: object, **member: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, **member}).encode()


def _head(status: int, kind: bytes, length: int) -> Message:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % length)]
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _send(send: Send, status: int, body: bytes, kind: bytes) -> None:
    await send(_head(status, kind, len(body)))
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive) -> bytes:
    """Return the whole body of a request."""
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            return body
