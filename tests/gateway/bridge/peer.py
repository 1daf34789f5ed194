"""A server on the official SDK that asks, reports and changes; it speaks one era or both, over HTTP and stdio.

Over stdio it is started as `peer.py [ERA]`; without an era it speaks both.
"""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

import anyio
import mcp_types as types
import uvicorn
from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import UrlElicitationRequiredError
from mcp.shared.message import SessionMessage
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

MODERN = "2026-07-28"
SESSIONS = "2025-11-25"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


class Name(BaseModel):
    """What a person is asked for."""

    name: str


class City(BaseModel):
    """What a person is asked for next."""

    city: str


def _ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


def _ask_city(name: Annotated[Name, Resolve(_ask_name)]) -> Elicit[City]:
    return Elicit(f"Where do you live, {name.name}?", City)


def _ask_model() -> Sample:
    text = types.TextContent(type="text", text="Say something.")
    return Sample([types.SamplingMessage(role="user", content=text)], max_tokens=10)


def _ask_roots() -> ListRoots:
    return ListRoots()


@dataclass(slots=True)
class Peer:
    """What a test can see and change of a running server. `era` is the only one that it speaks, None for both.

    `refusal` is the HTTP status and the JSON-RPC code (0 for none) with which it refuses the other one.
    """

    era: str | None = None
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    waiting: anyio.Event = field(default_factory=anyio.Event)
    cancelled: anyio.Event = field(default_factory=anyio.Event)
    refusal: tuple[int, int] | None = None
    broken: bool = False
    left: bool = False
    run: list[str] = field(default_factory=list[str])
    news: anyio.Event = field(default_factory=anyio.Event)

    async def until(self, method: str) -> None:
        """Wait until a method arrives, unless it has already."""
        while not self.calls(method):
            await self.news.wait()

    def take(self, header: str, message: dict[str, object]) -> None:
        """Take note of a message."""
        method = str(message.get("method"))
        self.asked.append((header, method))
        self.news.set()
        self.news = anyio.Event()

    def calls(self, method: str) -> int:
        """How often a method arrived."""
        return sum(1 for _, known in self.asked if known == method)


def build(peer: Peer) -> MCPServer:
    """Return the server."""
    server = MCPServer("peer", instructions="Ask away.")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    def greet(name: Annotated[Name, Resolve(_ask_name)]) -> str:
        """Ask for a name."""
        return f"Hello {name.name}"

    @server.tool()
    def settle(name: Annotated[Name, Resolve(_ask_name)], city: Annotated[City, Resolve(_ask_city)]) -> str:
        """Ask twice, the second time about the first answer."""
        return f"{name.name} of {city.city}"

    @server.tool()
    def think(answer: Annotated[types.CreateMessageResult, Resolve(_ask_model)]) -> str:
        """Ask the client's model."""
        content = answer.content
        return content.text if isinstance(content, types.TextContent) else "?"

    @server.tool()
    def roots(answer: Annotated[types.ListRootsResult, Resolve(_ask_roots)]) -> str:
        """Ask for roots."""
        return ", ".join(str(root.uri) for root in answer.roots)

    @server.tool()
    def visit() -> str:
        """Send the user to a page first."""
        asked = types.ElicitRequestURLParams(message="Sign in", url="https://peer.example/in", elicitation_id="e1")
        raise UrlElicitationRequiredError([asked])

    _add_tellers(server, peer)
    return server


def _add_tellers(server: MCPServer, peer: Peer) -> None:
    @server.tool()
    async def count(ctx: Context) -> str:
        """Report progress, and say something."""
        await ctx.report_progress(1, 2, "half")
        await ctx.log("info", "counting")  # pyright: ignore[reportDeprecated] - old clients still want it
        await ctx.log("error", "miscounted")  # pyright: ignore[reportDeprecated] - old clients still want it
        await ctx.report_progress(2, 2, "whole")
        return "counted"

    @server.tool()
    async def wait() -> None:
        """Never answer."""
        peer.waiting.set()
        try:
            await anyio.sleep_forever()
        finally:
            peer.cancelled.set()

    @server.tool()
    async def change(ctx: Context) -> str:
        """Tell everybody that the prompts and a note have changed."""
        await ctx.notify_prompts_changed()
        await ctx.notify_resource_updated("note://a")
        await ctx.session.send_prompt_list_changed()
        await ctx.session.send_resource_updated("note://a")
        return "changed"

    @server.resource("note://a")
    def note() -> str:
        """A note."""
        return "text"

    @server.prompt()
    def poem() -> str:
        """A prompt."""
        return "Write a poem."


def _refusal(peer: Peer, header: str) -> tuple[int, int, str] | None:
    """Return the HTTP status, code and message with which real servers of one era refuse the other."""
    is_modern = header == MODERN
    if peer.era is None or (peer.era == MODERN) == is_modern:
        return None
    if peer.refusal is not None:
        return (*peer.refusal, "No")
    return (400, -32600, "Missing session ID") if is_modern else (400, -32022, "Unsupported protocol version")


class OneEra:
    """The HTTP application, which turns away whatever is of another era than the peer's."""

    def __init__(self, app: ASGIApp, peer: Peer) -> None:
        self._app = app
        self._peer = peer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        if scope["method"] == "POST":
            while True:
                event = await receive()
                body += event.get("body", b"")
                if not event.get("more_body"):
                    break
        message: dict[str, object] = json.loads(body) if body else {}
        header = dict(scope["headers"]).get(b"mcp-protocol-version", b"").decode()
        self._peer.take(header, message or {"method": scope["method"]})
        refused = _refusal(self._peer, header)
        if self._peer.broken:
            refused = 502, 0, ""
        if refused is None:
            if message.get("method") == "tools/call":
                self._peer.run.append(json.loads(body)["params"]["name"])
            await self._app(scope, _again(body, receive), send)
            self._peer.left = self._peer.left or message.get("method") == "subscriptions/listen"
            return
        status, code, text = refused
        error = {"code": code, "message": text, "data": {"supported": [MODERN], "requested": header}}
        told = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "error": error}).encode() if code else b"bad"
        kind = b"application/json" if code else b"text/plain"
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(told))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": told})


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def give() -> dict[str, object]:
        nonlocal given
        if given:
            return dict(await receive())
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


@asynccontextmanager
async def serving(peer: Peer) -> AsyncGenerator[Peer]:
    """Serve a peer over HTTP on a port of its own."""
    app = OneEra(build(peer).streamable_http_app(), peer)
    config = uvicorn.Config(app, port=0, log_level="critical", ws="none", access_log=False, timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve)
        with anyio.fail_after(20):
            while not server.started:
                await anyio.lowlevel.checkpoint()
        port = server.servers[0].sockets[0].getsockname()[1]
        peer.url = f"http://127.0.0.1:{port}/mcp"
        yield peer
        server.should_exit = True
        server.force_exit = True


@asynccontextmanager
async def _filtered(peer: Peer) -> AsyncGenerator[None]:
    """Serve a peer over standard input and output, answering what is of another era itself."""
    async with stdio_server() as (read, write), anyio.create_task_group() as group:
        into, out_of = anyio.create_memory_object_stream[SessionMessage | Exception](16)

        async def sift() -> None:
            async with into:
                async for incoming in read:
                    refused = _refusal_of_line(peer, incoming)
                    await (into.send(incoming) if refused is None else write.send(refused))

        group.start_soon(sift)
        server = build(peer)._lowlevel_server  # noqa: SLF001 - no public way in  # pyright: ignore[reportPrivateUsage]
        await server.run(out_of, write, server.create_initialization_options())
        yield
        group.cancel_scope.cancel()


def _refusal_of_line(peer: Peer, incoming: SessionMessage | Exception) -> SessionMessage | None:
    if isinstance(incoming, Exception) or not isinstance(incoming.message, types.JSONRPCRequest):
        return None
    request = incoming.message
    is_modern = VERSION_KEY.encode() in json.dumps(request.params or {}).encode()
    refused = _refusal(peer, MODERN if is_modern else "")
    if refused is None:
        return None
    error = types.ErrorData(code=refused[1], message=refused[2], data={"supported": [MODERN], "requested": "?"})
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request.id, error=error))


async def _main(era: str | None) -> None:
    async with _filtered(Peer(era)):
        pass


if __name__ == "__main__":
    anyio.run(_main, sys.argv[1] if len(sys.argv) > 1 else None)
