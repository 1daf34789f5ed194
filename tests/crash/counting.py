"""A server that counts what reaches it and answers nobody while its gate is closed; the issuer listens there too."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import msgspec
from starlette.types import Receive, Scope, Send

from tests.identity.remote_issuer import RemoteIssuer

Call = tuple[str, int]
"""Whose call (the subject), and that caller's how manieth."""

_SCHEMA = {"type": "object", "properties": {"who": {"type": "string"}, "number": {"type": "integer"}}}
_TOOLS = [{"name": name, "inputSchema": _SCHEMA} for name in ("count", "forbidden")]
_SAID: dict[str, object] = {
    "capabilities": {"tools": {}},
    "supportedVersions": ["2026-07-28"],
    "protocolVersion": "2025-11-25",
    "serverInfo": {"name": "counting", "version": "1"},
    "tools": _TOOLS,
    "resultType": "complete",
    "ttlMs": 0,
    "cacheScope": "private",
}
_DONE = {"content": [{"type": "text", "text": "counted"}], "resultType": "complete"}


@dataclass(slots=True)
class Counting:
    """The ASGI application. `arrived` is every call that ever came, `noticed` is told at once of each.

    `opened` counts the sessions that were opened.
    """

    issuer: RemoteIssuer
    origin: str
    arrived: list[Call] = field(default_factory=list[Call])
    waiting: int = 0
    opened: int = 0
    gate: anyio.Event = field(default_factory=anyio.Event)
    noticed: Callable[[], None] = lambda: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        document = self.issuer.documents.get(self.origin + scope["path"])
        if document is not None:
            await _send(send, document)
            return
        request = msgspec.json.decode((await receive()).get("body", b"") or b"{}", type=dict[str, object])
        if "id" not in request:
            await _send(send, b"", 202)
            return
        params = msgspec.convert(request.get("params", {}), dict[str, object])
        self.opened += request["method"] == "initialize"
        result = await self._count(params) if request["method"] == "tools/call" else _SAID
        await _send(send, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode())

    async def _count(self, params: dict[str, object]) -> dict[str, object]:
        arguments = msgspec.convert(params["arguments"], dict[str, object])
        self.arrived.append((str(arguments["who"]), int(str(arguments["number"]))))
        self.waiting += 1
        self.noticed()
        await self.gate.wait()
        self.waiting -= 1
        return dict(_DONE)


async def _send(send: Send, body: bytes, status: int = 200) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
