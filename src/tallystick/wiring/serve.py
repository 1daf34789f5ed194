"""`tally up`: one listener, the configuration watched, everything ended in order."""

import gc
import socket
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
import uvicorn
import uvloop

from tallystick import settings as settings_room
from tallystick.gateway import Admission, Application, Front
from tallystick.settings import Settings
from tallystick.snapshot import Snapshot
from tallystick.terms import TallyError
from tallystick.wiring.app import App
from tallystick.wiring.compose import Gateway, assemble
from tallystick.wiring.configure import Places, development_issuer, look, read, settings_of, told
from tallystick.wiring.listener import Config

WATCH_S: Final = 0.25
"""Seconds between two looks at the configuration directory: a change is in force in well under a second."""

STOP_S: Final = 10
"""Seconds that open requests get to end."""


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway that listens at `url`. `ended` is set when the listener has ended, for example by an interrupt."""

    url: str
    gateway: Gateway
    development: bool
    ended: anyio.Event


@asynccontextmanager
async def serve(places: Places) -> AsyncGenerator[Served]:
    """Serve a configuration until the context is left.

    Raises `TallyError` ("invalid") when the configuration does not compile: a gateway never starts on a broken one.
    """
    # Taken before the files are read, so that a change made while the gateway starts is seen as one.
    seen = settings_room.fingerprint(places.config)
    files = read(places.config)
    settings = settings_of(files)
    with _bind(settings.gateway.listen_host, settings.gateway.listen_port) as listener:
        ephemeral = settings.gateway.listen_port == 0
        url = _url_of(settings.gateway.listen_host, listener) if ephemeral else settings.gateway.public_url
        async with assemble(settings, url, places.state) as gateway:
            gateway.development = development_issuer(places, url)
            offered = await gateway.offer(files)
            if not isinstance(offered, Snapshot):
                raise TallyError(code="invalid", message=told(offered))
            front = Front(gateway.rooms, admission_of(settings, url))
            ended = anyio.Event()
            async with anyio.create_task_group() as running:
                server = _server(App(gateway, front))
                running.start_soon(_listen, server, listener, ended)
                running.start_soon(_watch, gateway, places.config, seen)
                try:
                    yield Served(url, gateway, gateway.development is not None, ended)
                finally:
                    server.should_exit = True
                    with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_S):
                        await ended.wait()
                    running.cancel_scope.cancel()


def run(main: Coroutine[object, object, None]) -> None:
    """Run a coroutine to its end on the event loop that Tallystick is measured with."""
    uvloop.run(main)


def settle_memory() -> None:
    """Tell the collector, in a process that only serves, that what lives now will live on."""
    # What was made until now stays until the end, and a call makes no cycles: looking for garbage every 700 objects
    # costs more than anything that it finds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def admission_of(settings: Settings, url: str) -> Admission:
    """Return what the front lets in: the public URL's host, what settings add, and no web page but the named."""
    hosts = frozenset({urlsplit(url).netloc.lower(), *(host.lower() for host in settings.gateway.allowed_hosts)})
    return Admission(hosts, frozenset(settings.gateway.allowed_origins), settings.gateway.max_request_bytes)


def _bind(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        message = (
            f"cannot listen at {host}:{port}: {error.strerror}. Stop what listens there, or change gateway.listen_port."
        )
        raise TallyError(code="unavailable", message=message) from error
    # Connections inherit it. Without it an answer's second half waits up to 40 ms for the acknowledgement of its first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url_of(host: str, listener: socket.socket) -> str:
    port = int(listener.getsockname()[1])
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(app: Application) -> uvicorn.Server:
    return uvicorn.Server(Config(app))


async def _listen(server: uvicorn.Server, listener: socket.socket, ended: anyio.Event) -> None:
    try:
        await server.serve(sockets=[listener])
    finally:
        ended.set()


async def _watch(gateway: Gateway, config: Path, seen: str) -> None:
    while True:
        await anyio.sleep(WATCH_S)
        now = settings_room.fingerprint(config)
        if now == seen:
            continue
        seen = now
        files = look(config)
        offered = files if isinstance(files, tuple) else await gateway.offer(files)
        if isinstance(offered, Snapshot):
            _say(f"configuration {offered.digest} is in force")
        else:
            _say(f"the changed configuration is refused, the old one stays in force:\n{told(offered)}")


def _say(text: str) -> None:
    sys.stderr.write(f"tally: {text}\n")
