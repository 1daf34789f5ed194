"""What stands around a gateway in these tests: MCP servers, an issuer that signs real tokens, a configuration."""

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick.wiring import pin
from tests.identity.remote_issuer import RemoteIssuer
from tests.interaction.configuration import DESKS, copy_pin, write_configuration
from tests.interaction.desk import build
from tests.interaction.journal import Journal
from tests.interaction.odd import Odd
from tests.interaction.waiting import BOUND_S, until


@dataclass(frozen=True, slots=True)
class World:
    """`origin` is where the servers over HTTP listen; `config` a pinned configuration that nobody changes."""

    origin: str
    issuer: RemoteIssuer
    folder: Path

    @property
    def config(self) -> Path:
        """The configuration directory."""
        return self.folder / "config"

    def journal(self, server: str) -> Journal:
        """Return what a server saw. The servers at the desk's URL share one journal."""
        shares = server in DESKS and not server.endswith("line")
        return Journal(self.folder / "journals" / f"{'desk' if shares else server}.jsonl")


class Host:
    """One ASGI application for everything over HTTP; journals the headers of every request before it is handled."""

    def __init__(self, apps: Mapping[str, ASGIApp], world: World) -> None:
        """Serve each application below its name."""
        self._apps = apps
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on to its application."""
        if scope["type"] != "http":
            return
        name = scope["path"].split("/")[1]
        if name in ("issuer", ".well-known"):
            await self._document(scope, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        self._world.journal(name).write("http", method=scope["method"], headers=headers)
        await self._apps[name](scope, receive, send)

    async def _document(self, scope: Scope, send: Send) -> None:
        body = self._world.issuer.documents.get(self._world.origin + scope["path"])
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body or b""))]
        await send({"type": "http.response.start", "status": 200 if body else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body or b""})


@asynccontextmanager
async def running_world(folder: Path) -> AsyncGenerator[World]:
    """Run the servers and the issuer until the block ends; the configuration is pinned by asking them."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        # Connections inherit it: no answer in two pieces waits for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        world = World(origin, RemoteIssuer(f"{origin}/issuer"), folder)
        (folder / "journals").mkdir(parents=True)
        async with AsyncExitStack() as stack:
            apps: dict[str, ASGIApp] = {"odd": Odd(world.journal("odd"))}
            for name in ("desk", "risk"):
                server = build(name, world.journal(name))
                apps[name] = server.streamable_http_app(streamable_http_path=f"/{name}/mcp")
                await stack.enter_async_context(server.session_manager.run())
            await stack.enter_async_context(listening(Host(apps, world), listener))
            write_configuration(world.config, folder / "journals", origin)
            async for _ in pin(world.config, ("desk", "risk", "odd")):
                pass
            copy_pin(world.config, "desk", *(name for name in DESKS if name != "desk"))
            yield world


@asynccontextmanager
async def listening(app: ASGIApp, listener: socket.socket) -> AsyncGenerator[uvicorn.Server]:
    """Serve an application until the block ends."""
    config = uvicorn.Config(
        app, log_level="critical", ws="none", lifespan="off", access_log=False, timeout_graceful_shutdown=1
    )
    server, ended = uvicorn.Server(config), anyio.Event()

    async def serve() -> None:
        try:
            await server.serve([listener])
        finally:
            ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        await until(lambda: server.started)
        try:
            yield server
        finally:
            server.should_exit = True
            # Also when a test fails: a server that is only cancelled leaves its socket to the loop, and the next one
            # with the same number would never be heard.
            with anyio.CancelScope(shield=True), anyio.move_on_after(BOUND_S):
                await ended.wait()
