"""Idle event streams: how much memory, and how much CPU for nothing, a gateway needs that holds many of them open.

Half are `subscriptions/listen` of 2026-07-28, half the GET stream of a session of 2025-11-25, for a hundred callers.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from typing import Final

from bench import configuration
from bench.contestants import Place, pin, serving
from bench.processes import Memory, cpu_seconds, memory, raise_open_files
from bench.shapes import TRACKER
from bench.traffic import LEGACY, MODERN, Endpoint, Session
from tallystick.wiring import Places, token_for

NAME: Final = "Tallystick, idle streams"
CALLERS: Final = 100
_SPARE_FILES: Final = 500
_AT_ONCE: Final = 32
_OPEN_S: Final = 20.0
_ALL_S: Final = 200.0
_IDLE_S: Final = 5.0
_WANTED: Final = {"notifications": {"toolsListChanged": True}}


@dataclass(frozen=True, slots=True)
class Idle:
    """What open streams cost: memory without and with them, and CPU as a share of one core while nothing happens."""

    streams: int
    before: Memory
    memory: Memory
    core_share: float
    opened_per_s: float


class Refused(Exception):
    """A stream was not opened."""


class _Stream(asyncio.Protocol):
    """One connection: sends its request, waits for the head of an event stream, and reads what comes, if any."""

    def __init__(self, request: bytes, *, acknowledged: bool) -> None:
        self._request = request
        self._acknowledged = acknowledged
        self._head = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            return
        self._head += data
        head, found, body = self._head.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200 ") or b"text/event-stream" not in head:
            if not body and b"content-length: 0" not in head.lower():
                return
            status = head.partition(b"\r")[0].decode("latin-1")
            self.opened.set_exception(Refused(f"{status} {body[:300].decode(errors='replace')}".strip()))
        elif not self._acknowledged or b"acknowledged" in body:
            self.opened.set_result(None)
            self._head = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(Refused(f"the connection was closed ({exc})"))
        self.transport = None


def measure_idle(place: Place, count: int) -> Idle:
    """Hold `count` streams open on a gateway of their own; raises RuntimeError with the reason where it will not."""
    room = raise_open_files() - _SPARE_FILES
    if room < count:
        message = f"{count} streams need as many open files; the limit leaves {room} (ulimit -Hn)"
        raise RuntimeError(message)
    people = [f"reader.{number:03}" for number in range(min(CALLERS, count))]
    site, state = place.site("streams")
    configuration.write(site, people)
    pin(site)
    with ExitStack() as stack:
        pid = stack.enter_context(serving(place, site, state, ["up"]))
        places = Places(site.config, state)
        endpoint = Endpoint(site.port, f"/servers/{TRACKER}/mcp", MODERN)
        # The development issuer says what it is each time that it is made.
        with redirect_stderr(StringIO()):
            endpoints = [replace(endpoint, token=token_for(places, person)) for person in people]
        return asyncio.run(hold(pid, endpoints, count))


async def hold(pid: int, endpoints: Sequence[Endpoint], count: int, idle_s: float = _IDLE_S) -> Idle:
    """Open streams at endpoints in turn, hold them for some seconds, and return what that takes of a process tree."""
    # One of each first: what every gateway makes once is none of the streams' cost, and a refusal comes at once.
    opened = [await _opened(endpoints[0], number) for number in range(2)]
    before, start = memory(pid), time.monotonic()
    try:
        opened += await _all(endpoints, count - len(opened))
        took = time.monotonic() - start
        await asyncio.sleep(idle_s / 5)
        used = cpu_seconds(pid)
        await asyncio.sleep(idle_s)
        share = (cpu_seconds(pid) - used) / idle_s
        lost = sum(stream.transport is None for stream in opened)
        if lost:
            message = f"{lost} of {len(opened)} streams did not stay open"
            raise RuntimeError(message)
        return Idle(len(opened), before, memory(pid), share, count / took)
    finally:
        for stream in opened:
            if isinstance(stream.transport, asyncio.WriteTransport):
                stream.transport.abort()
        await asyncio.sleep(0)


async def _all(endpoints: Sequence[Endpoint], count: int) -> list[_Stream]:
    opened: list[_Stream] = []
    numbers = iter(range(count))

    async def opening() -> None:
        for number in numbers:
            stream = await _opened(endpoints[number // 2 % len(endpoints)], number)
            opened.append(stream)

    try:
        async with asyncio.timeout(_ALL_S), asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(opening())
    except TimeoutError:
        message = f"only {len(opened)} of {count} streams were open after {_ALL_S:.0f} s"
        raise RuntimeError(message) from None
    except ExceptionGroup as failed:
        message = f"after {len(opened)} streams: {failed.exceptions[0]}"
        raise RuntimeError(message) from failed
    return opened


async def _opened(endpoint: Endpoint, number: int) -> _Stream:
    """Open one stream, alternately of each era; raises RuntimeError with what the gateway says instead."""
    modern = number % 2 == 0
    what = "subscriptions/listen" if modern else "the GET stream of a session"
    try:
        request = _listen(endpoint, number) if modern else _get(await _session(endpoint))
        _, stream = await asyncio.get_running_loop().create_connection(
            lambda: _Stream(request, acknowledged=modern), "127.0.0.1", endpoint.port
        )
        async with asyncio.timeout(_OPEN_S):
            await stream.opened
    except Refused as refused:
        message = f"{what} is answered with {refused}"
        raise RuntimeError(message) from None
    except TimeoutError:
        message = f"{what} has no answer after {_OPEN_S:.0f} s"
        raise RuntimeError(message) from None
    return stream


async def _session(endpoint: Endpoint) -> Endpoint:
    session = await Session.open(replace(endpoint, era=LEGACY), None)
    session.writer.close()
    return replace(endpoint, era=LEGACY, session=session.id)


def _listen(endpoint: Endpoint, number: int) -> bytes:
    body = endpoint.body("subscriptions/listen", _WANTED, number)
    return _head("POST", endpoint, [f"Content-Length: {len(body)}"]) + body


def _get(endpoint: Endpoint) -> bytes:
    return _head("GET", endpoint, [])


def _head(verb: str, endpoint: Endpoint, more: Sequence[str]) -> bytes:
    headers = endpoint.headers("subscriptions/listen", None)
    if verb == "GET":
        headers["Accept"] = "text/event-stream"
        del headers["Content-Type"]
    lines = [f"{verb} {endpoint.path} HTTP/1.1", f"Host: 127.0.0.1:{endpoint.port}", *more]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items())]).encode() + b"\r\n\r\n"
