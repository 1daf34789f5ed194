"""`tally up`: one listener, the configuration watched, everything ended in order."""

import ctypes
import gc
import resource
import socket
import sys
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import anyio
import uvicorn
import uvloop

from tallystick import settings as settings_room
from tallystick.gateway import Admission, Application, Front, Relay
from tallystick.settings import GatewaySettings, Settings
from tallystick.wiring.app import App, route_at
from tallystick.wiring.bind import bind, near, url_of
from tallystick.wiring.compose import Gateway, assemble, clock, new_id
from tallystick.wiring.configure import Places, development_issuer, read, settings_of
from tallystick.wiring.console import console_of
from tallystick.wiring.control import governed
from tallystick.wiring.followers.keep import keep_following
from tallystick.wiring.health import tell_health
from tallystick.wiring.listener import Bounds, Config, Taker
from tallystick.wiring.record import record_sign_ins
from tallystick.wiring.worker import Worker, peer_socket

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of glibc's mallopt(3), as its malloc.h numbers them."""

STOP_S: Final = 10
"""Seconds that open requests get to end."""


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway that listens at `url`, and its console's URL. `ended` is set when the listener has ended."""

    url: str
    gateway: Gateway
    development: bool
    ended: anyio.Event
    console: str | None = None


@asynccontextmanager
async def serve(places: Places, worker: Worker | None = None, port: int | None = None) -> AsyncGenerator[Served]:
    """Serve a configuration until the context is left; one `worker` of several shares `port` and the audit writer.

    Raises `TallyError` ("invalid") when the configuration does not compile: a gateway never starts on a broken one.
    """
    # Taken before the files are read, so that a change made while the gateway starts is seen as one.
    seen = settings_room.fingerprint(places.config)
    files = read(places.config)
    settings = settings_of(files)
    host, at = settings.gateway.listen_host, settings.gateway.listen_port
    with bind(host, port or at, shared=worker is not None) as listener, _peers(places.state, worker) as from_peers:
        url = settings.gateway.public_url if at else url_of(host, listener)
        async with assemble(settings, url, places.state, worker) as gateway:
            gateway.development = development_issuer(places, url)
            if gateway.development is not None:
                record_sign_ins(
                    gateway.development, gateway.rooms.recorder.append, gateway.tenant_of_issuer, clock, new_id
                )
            front = Front(gateway.rooms, admission_of(settings, url), _relay(places.state, worker))
            ended = anyio.Event()
            async with (
                governed(gateway, settings, places.state, _say) as governing,
                anyio.create_task_group() as running,
            ):
                await governing.begin(files)
                server = _server(App(gateway, front), Taker(route_at, front.post), settings.gateway)
                running.start_soon(_listen, server, [listener, *from_peers], ended)
                running.start_soon(governing.watch, places.config, seen, _say)
                running.start_soon(governing.follow, _say)
                running.start_soon(tell_health, gateway, places.state)
                if worker is None:
                    running.start_soon(keep_following, places.config, places.state, _say)
                try:
                    async with console_of(governing, gateway, places.state) as console:
                        yield Served(url, gateway, gateway.development is not None, ended, console)
                finally:
                    server.should_exit = True
                    with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_S):
                        await ended.wait()
                    running.cancel_scope.cancel()


def run(main: Coroutine[object, object, None]) -> None:
    """Run a coroutine to its end on the event loop that Tallystick is measured with."""
    # Every stream and every call is a file or two; the soft limit of a login session is made for people.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(main)


def settle_memory() -> None:
    """Tell the collector, in a process that only serves, that what lives now will live on."""
    # What was made until now stays until the end, and a call makes no cycles: looking for garbage every 700 objects
    # costs more than anything that it finds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have glibc keep what large answers leave free, up to 64 MiB."""
    # Else each large buffer is mapped, touched and unmapped anew: of the 8 ms of CPU that a result of 1 MiB took in
    # process, those page faults were half. Other C libraries have no such switch.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)
        mallopt(_M_MMAP_THRESHOLD, 16 << 20)


def admission_of(settings: Settings, url: str) -> Admission:
    """Return what the front lets in: the public URL's host, what settings add, and no web page but the named."""
    hosts = frozenset({urlsplit(url).netloc.lower(), *(host.lower() for host in settings.gateway.allowed_hosts)})
    return Admission(hosts, frozenset(settings.gateway.allowed_origins), settings.gateway.max_request_bytes)


def _relay(state: Path, worker: Worker | None) -> Relay | None:
    """Return what passes on the requests that belong to other workers."""
    if worker is None or worker.of == 1:
        return None
    return Relay(worker.index, [peer_socket(state, index) for index in range(worker.of)])


@contextmanager
def _peers(state: Path, worker: Worker | None) -> Generator[list[socket.socket]]:
    """Listen for requests that another worker passes on: none where there is no other."""
    if worker is None:
        yield []
        return
    with near(peer_socket(state, worker.index)) as listener:
        yield [listener]


def _server(app: Application, taker: Taker, settings: GatewaySettings) -> uvicorn.Server:
    bounds = Bounds(connections=settings.connections, per_address=settings.connections_per_address)
    return uvicorn.Server(Config(app, bounds, taker))


async def _listen(server: uvicorn.Server, listeners: list[socket.socket], ended: anyio.Event) -> None:
    try:
        await server.serve(sockets=listeners)
    finally:
        ended.set()


def _say(text: str) -> None:
    sys.stderr.write(f"tally: {text}\n")
