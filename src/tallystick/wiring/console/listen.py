"""The console's own listener, and the socket over which this machine's user is its operator."""

import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
import uvicorn

from tallystick.api import ConsoleRooms, application
from tallystick.control.webhooks import Receiver
from tallystick.gateway import Application
from tallystick.guard import Flood
from tallystick.wiring.bind import bind, near, url_of
from tallystick.wiring.compose import PLATFORM, Gateway, clock, new_id
from tallystick.wiring.console.archive import SearchedRecord
from tallystick.wiring.control import Governing, Seen
from tallystick.wiring.control.place import account
from tallystick.wiring.listener import Bounds, Config, Taker
from tallystick.wiring.worker import console_socket

STOP_S: Final = 5.0
"""Seconds that open requests get to end."""
_CATALOG: Final = b"/registry/"
"""Its clients ask for a server by a name with a slash in it, which they encode (MCP Registry API v0.1)."""


@asynccontextmanager
async def console_of(governing: Governing, gateway: Gateway, state: Path) -> AsyncGenerator[str | None]:
    """Serve the console while the context lasts; gives its URL, None where this process has none."""
    settings = gateway.settings.console
    if not settings.enabled or gateway.worker.index != 0:
        yield None
        return
    host, port = settings.listen_host, settings.listen_port
    with bind(host, port, setting="console.listen_port") as listener, near(console_socket(state)) as local:
        url = settings.public_url if port else url_of(host, listener)
        rooms = rooms_of(governing, gateway, state, url)
        own = replace(rooms, operator=account(), audiences=frozenset[str](), hosts=frozenset[str]())
        async with _serving(application(rooms), listener), _serving(application(own), local):
            yield url


@asynccontextmanager
async def _serving(app: Application, listener: socket.socket) -> AsyncGenerator[None]:
    """Serve an application at a listener; at exit open requests have ended, or their time is over."""
    bounds = Bounds(connections=1024, per_address=512, slashes_below=_CATALOG)
    server, ended = uvicorn.Server(Config(app, bounds, _NOBODY_TAKES)), anyio.Event()

    async def serve() -> None:
        try:
            await server.serve(sockets=[listener])
        finally:
            ended.set()

    async with anyio.create_task_group() as running:
        running.start_soon(serve)
        try:
            yield
        finally:
            server.should_exit = True
            with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_S):
                await ended.wait()
            running.cancel_scope.cancel()


def rooms_of(governing: Governing, gateway: Gateway, state: Path, url: str) -> ConsoleRooms:
    """Return what the console works with, for visitors with tokens."""
    refused = gateway.settings.identity.refused_per_minute
    return ConsoleRooms(
        control=governing.control,
        authenticator=gateway.authenticator,
        snapshot=lambda: gateway.holder.current,
        append=gateway.rooms.recorder.append,
        recording=lambda: gateway.recording,
        clock=clock,
        new_id=new_id,
        platform=PLATFORM,
        audiences=frozenset({url}),
        hosts=hosts_of(gateway.settings.console.allowed_hosts, url),
        public_url=url,
        flood=Flood(refused, 10 * refused),
        definitions=Seen(gateway, governing.control),
        archive=SearchedRecord(state),
        hooks=Receiver(governing.control, clock),
        outgoing=governing.sender,
        gateway_url=gateway.public_url,
        catalog_without_token=gateway.settings.console.catalog_without_token,
        held=lambda server, tool: gateway.holder.quarantined(server, tool) is not None,
        issuers=lambda: gateway.trusted,
        troubles=governing.troubles,
    )


def hosts_of(allowed: Sequence[str], url: str) -> frozenset[str]:
    """Return the values of `Host` that the console is asked by."""
    return frozenset({urlsplit(url).netloc.lower(), *(host.lower() for host in allowed)})


def _no_route(_: bytes) -> str | None:
    """Every request goes to the application."""


async def _take(_: object) -> None:
    """Never called."""


_NOBODY_TAKES: Final = Taker(_no_route, _take)
