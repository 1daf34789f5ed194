"""Run one of the servers: Streamable HTTP on the loopback address, or stdio; count what arrives.

The SDK serves both protocol eras on `/mcp` (2026-07-28 without sessions, 2025-11-25 and older with them).
"""

import argparse
import json
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import uvicorn
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick_demo_bank.store import Store

CREDENTIALS = (b"authorization", b"proxy-authorization", b"cookie", b"x-api-key")

READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
SETS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
DESTROYS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)
COMPUTES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

Build = Callable[[Store], MCPServer]
Entry = tuple[Callable[..., object], str, ToolAnnotations]


def new_server(name: str, title: str, instructions: str, store: Store, entries: Sequence[Entry]) -> MCPServer:
    """Return a server with `entries` (function, title, annotations) as tools, whose calls are recorded in `store`."""
    server = MCPServer(
        name,
        title=title,
        instructions=instructions,
        version="1.0.0",
        log_level="WARNING",
        middleware=[_recorder(store)],
    )
    for function, tool_title, annotations in entries:
        server.add_tool(function, title=tool_title, annotations=annotations, structured_output=True)
    return server


def _recorder(store: Store) -> ServerMiddleware[object]:
    async def record(ctx: ServerRequestContext[object, object], call_next: CallNext) -> HandlerResult:
        if ctx.method != "tools/call":
            return await call_next(ctx)
        headers: object = getattr(ctx.request, "headers", {})
        names = [str(name) for name in headers] if isinstance(headers, Mapping) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - starlette's mapping, seen as an object
        call = store.record_call(str((ctx.params or {}).get("name")), names)
        outcome = "failed"
        try:
            result = await call_next(ctx)
            outcome = "tool_error" if _is_error(result) else "done"
        except anyio.get_cancelled_exc_class():
            outcome = "cancelled"
            raise
        finally:
            store.record_ending(call, outcome)
        return result

    return record


def _is_error(result: HandlerResult) -> bool:
    # The SDK hands middleware the model or, once encoded, the plain object.
    return result.get("isError") is True if isinstance(result, dict) else getattr(result, "is_error", False) is True


@dataclass(frozen=True, slots=True)
class CredentialWatch:
    """ASGI middleware that records every credential that arrives on any request, whatever the method."""

    app: ASGIApp
    store: Store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the headers, then let the request pass."""
        if scope["type"] == "http":
            for name, _ in scope["headers"]:
                if name.lower() in CREDENTIALS:
                    self.store.record_stray_credential(scope["method"], name.decode("latin-1").lower())
        await self.app(scope, receive, send)


class _Announcing(uvicorn.Server):
    """Tells on stdout, in one JSON line, where it listens: only then may a parent process connect."""

    url = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(json.dumps({"url": self.url}) + "\n")
        sys.stdout.flush()


def serve_http(server: MCPServer, store: Store, port: int) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT; port 0 takes a free one."""
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        app = CredentialWatch(server.streamable_http_app(session_idle_timeout=600), store)
        # A control plane's demo stops servers often: open event streams must not hold the process back.
        config = uvicorn.Config(app, log_level="critical", ws="none", access_log=False, timeout_graceful_shutdown=1)
        announcing = _Announcing(config)
        announcing.url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        announcing.run(sockets=[listener])


def run(name: str, build: Build, arguments: Sequence[str] | None = None) -> None:
    """Parse the command line of a server and run it."""
    parser = argparse.ArgumentParser(prog=f"python -m tallystick_demo_bank.{name}", description=f"Demo bank: {name}")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--port", type=int, help="serve Streamable HTTP on 127.0.0.1; 0 takes a free port")
    way.add_argument("--stdio", action="store_true", help="serve on standard input and output")
    parser.add_argument("--db", type=Path, required=True, help="SQLite file; created and seeded when absent")
    options = parser.parse_args(arguments)
    store = Store(options.db)
    try:
        server = build(store)
        if options.stdio:
            server.run("stdio")
        else:
            serve_http(server, store, options.port)
    finally:
        store.close()
