"""Servers of one era: they refuse the other one in the words that servers of their kind use."""

import json
from typing import Final, Literal

import msgspec
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.runner import serve_dual_era_loop, serve_loop
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.message import SessionMessage
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.interaction.odd import body_of

Era = Literal["old", "new"]
OLD: Final = "old"
NEW: Final = "new"
VERSIONS: Final[dict[str, str]] = {OLD: "2025-11-25", NEW: "2026-07-28"}
_UNSUPPORTED: Final = -32022


class _Params(msgspec.Struct):
    protocolVersion: str = ""  # noqa: N815 - a field of MCP


class _Request(msgspec.Struct):
    id: int | str | None = None
    params: _Params = msgspec.field(default_factory=_Params)


class OneEra:
    """Passes on what is said in its era to a server of both. `era` and `app` may be changed: a server is upgraded."""

    def __init__(self, app: ASGIApp, era: Era) -> None:
        self.app = app
        self.era: Era = era

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
        version = headers.get(b"mcp-protocol-version", "")
        if (version == VERSIONS[NEW]) == (self.era == NEW):
            await self.app(scope, receive, send)
        elif scope["method"] != "POST":
            await _answer(send, 405, b"")
        else:
            await _answer(send, 400, self._refusal(await body_of(receive), version))

    def _refusal(self, body: bytes, version: str) -> bytes:
        request = msgspec.json.decode(body, type=_Request)
        if self.era == NEW:
            told: dict[str, object] = {
                "supported": [VERSIONS[NEW]],
                "requested": request.params.protocolVersion or version,
            }
            error: dict[str, object] = {
                "code": _UNSUPPORTED,
                "message": "Unsupported protocol version",
                "data": told,
            }
        else:
            # What servers say that are older than the newer era: no code of it, and no id.
            error = {"code": -32000, "message": f"Bad Request: Unsupported protocol version: {version}"}
        return json.dumps({"jsonrpc": "2.0", "id": request.id if self.era == NEW else None, "error": error}).encode()


async def over_stdio(
    server: Server, era: Era, read: ReadStream[SessionMessage | Exception], write: WriteStream[SessionMessage]
) -> None:
    """Serve one process's pipe in one era."""
    if era == NEW:
        server.middleware.insert(0, _without_initialize)
    serve = serve_dual_era_loop if era == NEW else serve_loop
    async with server.lifespan(server) as state:
        options = server.create_initialization_options()
        await serve(server, read, write, lifespan_state=state, init_options=options)


async def _without_initialize(ctx: ServerRequestContext, call_next: CallNext) -> HandlerResult:
    if ctx.method == "initialize":
        asked = (ctx.params or {}).get("protocolVersion")
        told = {"supported": [VERSIONS[NEW]], "requested": asked}
        raise MCPError(_UNSUPPORTED, "Unsupported protocol version", told)
    return await call_next(ctx)


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
