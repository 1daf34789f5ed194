"""A server of 2026-07-28 that keeps no rule: it never stops, says too much, answers for others, and ends its streams.

The tool's name says how: `plain`, `comments`, `notifications`, `oversized`, `lying`, `silent`.
"""

import json
import time

import anyio
import msgspec
from starlette.types import Message, Receive, Scope, Send

from tests.interaction.journal import Journal
from tests.interaction.odd import body_of

TOOLS = ("plain", "comments", "notifications", "oversized", "lying", "silent")
_PIECE = 64 << 10
Json = dict[str, object]


class Wild:
    """The ASGI application. `listens` tells whether it has streams at all; those that it has end at once."""

    def __init__(self, journal: Journal, *, listens: bool) -> None:
        self._journal = journal
        self._listens = listens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST."""
        request = msgspec.json.decode(await body_of(receive), type=Json)
        method, params = str(request.get("method")), msgspec.convert(request.get("params", {}), Json)
        self._journal.write("request", method=method, at=time.monotonic())
        if method == "initialize":
            data: Json = {"supported": ["2026-07-28"], "requested": params.get("protocolVersion")}
            error: Json = {"code": -32022, "message": "Unsupported protocol version", "data": data}
            await _json(send, 400, {"jsonrpc": "2.0", "id": request["id"], "error": error})
        elif method == "subscriptions/listen":
            await self._listen(request, send)
        elif method == "tools/call":
            await self._call(str(params["name"]), request, receive, send)
        else:
            await _json(send, 200, {"jsonrpc": "2.0", "id": request["id"], "result": _local(method)})

    async def _listen(self, request: Json, send: Send) -> None:
        if not self._listens:
            error = {"code": -32601, "message": "Method not found"}
            await _json(send, 404, {"jsonrpc": "2.0", "id": request["id"], "error": error})
            return
        await send(_head(200, b"text/event-stream"))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _call(self, tool: str, request: Json, receive: Receive, send: Send) -> None:
        good: Json = {"content": [{"type": "text", "text": "plain"}], "resultType": "complete"}
        if tool == "plain":
            await _json(send, 200, {"jsonrpc": "2.0", "id": request["id"], "result": good})
        elif tool == "oversized":
            good["content"] = [{"type": "text", "text": "x" * (3 << 20)}]
            await _json(send, 200, {"jsonrpc": "2.0", "id": request["id"], "result": good})
        elif tool == "lying":
            await send(_head(200, b"text/event-stream"))
            for other in ("somebody else's", 987654321, None):
                await _event(send, {"jsonrpc": "2.0", "id": other, "result": good})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self._for_ever(tool, receive, send)

    async def _for_ever(self, tool: str, receive: Receive, send: Send) -> None:
        """Write until nobody reads any more; a `silent` call only waits for that."""
        self._journal.write("holding", key=tool)
        async with anyio.create_task_group() as group:
            if tool != "silent":
                group.start_soon(_write, tool, send)
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()
        self._journal.write("left", key=tool)


async def _write(tool: str, send: Send) -> None:
    notice: Json = {"jsonrpc": "2.0", "method": "notifications/message"}
    notice["params"] = {"level": "error", "data": "x" * _PIECE}
    await send(_head(200, b"text/event-stream"))
    while True:
        if tool == "comments":
            await send({"type": "http.response.body", "body": b": x\n" * (_PIECE // 4), "more_body": True})
        else:
            await _event(send, notice)
        # Sending to somebody who has gone is no wait at all.
        await anyio.sleep(0.001)


def _local(method: str) -> Json:
    if method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
        return {"tools": tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    capabilities = {"tools": {}, "prompts": {"listChanged": True}}
    return {"capabilities": capabilities, "supportedVersions": ["2026-07-28"], "resultType": "complete"}


def _head(status: int, kind: bytes) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]}


async def _event(send: Send, message: Json) -> None:
    body = b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _json(send: Send, status: int, message: Json) -> None:
    await send(_head(status, b"application/json"))
    await send({"type": "http.response.body", "body": json.dumps(message).encode()})
