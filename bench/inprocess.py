"""One governed call without sockets: the only figure that a busy or virtual machine gives twice the same.

Everything is real, from the listener's HTTP protocol to the connection to the server, but three things: the client and
the server are transports in memory that act at once, and a record is durable as soon as it is handed over. So neither
kernel nor writer process is in the figures. The least of many short windows counts: what disturbs a window only adds.
`python -m bench.inprocess`.
"""

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final  # noqa: TID251 - the arguments of asyncio, which are passed on

import msgspec
import uvloop

from bench import configuration
from bench.configuration import Site
from bench.processes import free_port
from bench.shapes import SEARCH, TRACKER
from bench.traffic import MODERN, Call, Endpoint
from bench.upstream import answers
from tallystick.gateway.context import Recording
from tallystick.terms import TenantId
from tallystick.wiring import Places, pin, serve, settle_memory, token_for

_SERVER_PORT: Final = 1
"""Nobody listens there: whoever dials it gets the server in memory."""

_CLIENTS: Final = 64
_TURNS: Final = 3
"""Calls of each client in a window, which then takes about 20 ms."""

_REQUEST_ID: Final = 17
_EXPLAINED: Final = {
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tallystick.dev/prompt": "Which tickets of the settlement team are open since Monday? " * 8,
    "tallystick.dev/reason": "The search covers all projects, and the user named none.",
    "tallystick.dev/model": "a-model-1",
}
_WARM: Final = 10
_PATIENCE_S: Final = 20.0
_STAGES: Final = (
    "request read, who, may they: until the intent is handed over",
    "intent durable: until the request is written to the server",
    "server's answer read: until the outcome is handed over",
    "outcome durable: until the answer is written to the client",
)


class Loop(uvloop.Loop):
    """An event loop that keeps whoever listens, and connects to the server in memory."""

    def __init__(self) -> None:
        """Start with no listener; `marks` holds moments in nanoseconds of one call after another, where wanted."""
        super().__init__()
        self.listeners: list[Callable[[], asyncio.Protocol]] = []
        self.marks: list[int] | None = None
        self.listening = asyncio.Event()

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        *args: Any,  # noqa: ANN401 - what asyncio is given
        **kwargs: Any,  # noqa: ANN401 - what asyncio is given
    ) -> asyncio.AbstractServer:
        """Listen, and keep the maker of protocols."""
        self.listeners.append(protocol_factory)
        self.listening.set()
        return await super().create_server(protocol_factory, *args, **kwargs)

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        *args: Any,  # noqa: ANN401 - what asyncio is given
        **kwargs: Any,  # noqa: ANN401 - what asyncio is given
    ) -> tuple[Any, Any]:
        """Connect, to the server in memory where its port is dialled."""
        if args[1:2] != (_SERVER_PORT,):
            return await super().create_connection(protocol_factory, *args, **kwargs)
        protocol = protocol_factory()
        transport = _Server(self, protocol)
        protocol.connection_made(transport)
        return transport, protocol

    def mark(self) -> None:
        """Note this moment, where moments are wanted."""
        if self.marks is not None:
            self.marks.append(time.perf_counter_ns())


class _Memory(asyncio.Transport):
    """A connection without a socket."""

    def __init__(self, loop: Loop) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 80)})
        self.loop = loop
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_reading(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


class _Server(_Memory):
    """The server: answers in the next turn of the loop."""

    def __init__(self, loop: Loop, protocol: asyncio.Protocol) -> None:
        super().__init__(loop)
        self._protocol = protocol
        self._request = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._request += bytes(data)
        head, found, body = self._request.partition(b"\r\n\r\n")
        if not found or (head.startswith(b"POST") and not body.endswith(b"}")):
            return
        self.loop.mark()
        self._request = b""
        self.loop.call_soon(self._answer, b"".join(answers(head.lower() + b"\r\n", body)))

    def _answer(self, response: bytes) -> None:
        self.loop.mark()
        self._protocol.data_received(response)


class _Client(_Memory):
    """A client on one connection: sends a request, and knows when the answer is there."""

    def __init__(self, loop: Loop, answered: Callable[[], None]) -> None:
        super().__init__(loop)
        self._protocol = loop.listeners[0]()
        self._answered = answered
        self.answer = b""
        self._protocol.connection_made(self)

    def send(self, request: bytes) -> None:
        self.answer = b""
        self.loop.mark()
        self._protocol.data_received(request)

    def leave(self) -> None:
        self.closed = True
        self._protocol.connection_lost(None)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.answer += data
        # Every answer that is asked for here is one JSON object, so only its end ends so.
        if data.endswith(b"}") if isinstance(data, bytes) else bytes(data[-1:]) == b"}":
            self.loop.mark()
            self._answered()

    def writelines(self, list_of_data: Sequence[bytes | bytearray | memoryview]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - narrower than asyncio's Iterable, as it is called
        self.write(b"".join(list_of_data))


class _Instant:
    """The gateway's recorder, for which everything is durable at once; what is not a record goes to the real one."""

    def __init__(self, real: object, loop: Loop) -> None:
        self._real = real
        self._loop = loop
        self._done: asyncio.Future[int] = loop.create_future()
        self._done.set_result(1)
        self.leaves = 0

    def append(self, tenant: TenantId, leaf: bytes, capture: object = None) -> asyncio.Future[int]:
        del tenant, leaf, capture
        self.leaves += 1
        self._loop.mark()
        return self._done

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


@dataclass(slots=True)
class _Clients:
    """All clients, and how many answers are still to come."""

    loop: Loop
    waiting: int = 0
    over: asyncio.Future[None] | None = None
    each: list[_Client] = field(default_factory=list["_Client"])

    def answered(self) -> None:
        self.waiting -= 1
        if self.waiting == 0 and self.over is not None:
            self.over.set_result(None)

    async def turn(self, clients: Sequence[_Client], request: bytes) -> None:
        """Let these clients send the request at once, and wait for all their answers."""
        self.waiting, self.over = len(clients), self.loop.create_future()
        for client in clients:
            client.send(request)
        await self.over


def measure_in_process(folder: Path, windows: int) -> dict[str, float]:
    """Return what is measured -> microseconds of one call. `folder` is made anew.

    Raises RuntimeError when a call is not answered rightly.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(_measure(folder, windows))


async def _measure(folder: Path, windows: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, Loop):
        raise TypeError(type(loop).__name__)
    site, places = Site(folder / "config", free_port(), _SERVER_PORT), Places(folder / "config", folder / "state")
    configuration.write(site)
    async for _ in pin(places.config, ()):
        pass
    async with serve(places) as served:
        settle_memory()
        async with asyncio.timeout(_PATIENCE_S):
            await loop.listening.wait()
        instant = _Instant(served.gateway.rooms.recorder, loop)
        # Rooms are frozen; nothing but a measurement has a reason to exchange one.
        object.__setattr__(served.gateway.rooms, "recorder", instant)
        clients = _Clients(loop)
        clients.each = [_Client(loop, clients.answered) for _ in range(_CLIENTS)]
        endpoint = Endpoint(site.port, f"/servers/{TRACKER}/mcp", MODERN, token_for(places, configuration.PERSON))
        call, listing = _post(endpoint, Call()), _post(endpoint, Call("tools/list", None))
        await _checked(clients, call, b"settlement")
        await _checked(clients, listing, SEARCH.tool.encode())
        found = {"governed call, 64 under way": await _least(clients, call, windows)}
        found["governed call, one at a time"] = await _least(clients, call, windows // 4, _CLIENTS * _TURNS)
        found |= {f"- {name}": value for name, value in (await _stages(clients, call, windows // 4)).items()}
        explained = _post(endpoint, Call(), _EXPLAINED)
        await _checked(clients, explained, b"settlement")
        found["governed call, explained and traced, 64 under way"] = await _least(clients, explained, windows // 4)
        object.__setattr__(served.gateway.rooms, "recording", Recording(payloads=False))
        found["governed call, no payload kept, 64 under way"] = await _least(clients, call, windows // 4)
        found["tools/list of 8 tools, 64 under way"] = await _least(clients, listing, windows // 4)
        found["HTTP alone (/healthz), 64 under way"] = await _least(clients, _get(site), windows // 4)
        if not instant.leaves:
            message = "the gateway no longer records through rooms.recorder: the figures would be wrong"
            raise RuntimeError(message)
        for client in clients.each:
            client.leave()
        return found


def _post(endpoint: Endpoint, call: Call, meta: Mapping[str, object] | None = None) -> bytes:
    params = call.params(_REQUEST_ID)
    body = endpoint.body(call.method, {**params, "_meta": meta} if meta else params, _REQUEST_ID)
    headers = {**endpoint.headers(call.method, call.tool), "Host": f"127.0.0.1:{endpoint.port}"}
    lines = [f"POST {endpoint.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n" + body


def _get(site: Site) -> bytes:
    return f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode()


async def _checked(clients: _Clients, request: bytes, expected: bytes) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        for _ in range(_WARM):
            await clients.turn(clients.each, request)
    for client in clients.each:
        _, _, body = client.answer.partition(b"\r\n\r\n")
        document = msgspec.json.decode(body, type=dict[str, object])
        if document.get("id") != _REQUEST_ID or expected not in body or "result" not in document:
            message = f"a wrong answer: {client.answer[:500]!r}"
            raise RuntimeError(message)


async def _least(clients: _Clients, request: bytes, windows: int, serial: int = 0) -> float:
    """Return the least microseconds of CPU of one call, over windows of 192 calls: 64 at once, or one by one."""
    best = float("inf")
    turns, each = (serial, clients.each[:1]) if serial else (_TURNS, clients.each)
    for _ in range(max(1, windows)):
        start = time.process_time_ns()
        for _ in range(turns):
            await clients.turn(each, request)
        best = min(best, (time.process_time_ns() - start) / (turns * len(each)))
    return best / 1e3


async def _stages(clients: _Clients, request: bytes, windows: int) -> dict[str, float]:
    """Return the least microseconds of each stage of a call that is alone, by what leaves the gateway after it."""
    best = [float("inf")] * len(_STAGES)
    moments = len(_STAGES) + 2  # between the second and the third, the server has its turn
    calls = _CLIENTS * _TURNS
    for _ in range(max(1, windows)):
        marks = clients.loop.marks = []
        for _ in range(calls):
            await clients.turn(clients.each[:1], request)
        clients.loop.marks = None
        if len(marks) != moments * calls:
            return {"its stages (a call no longer records twice and asks once)": float("nan")}
        for stage, (begin, end) in enumerate(((0, 1), (1, 2), (3, 4), (4, 5))):
            spent = sum(marks[end::moments]) - sum(marks[begin::moments])
            best[stage] = min(best[stage], spent / calls)
    return {name: value / 1e3 for name, value in zip(_STAGES, best, strict=True)}


def main() -> int:
    """Print the table."""
    from bench.report import in_process_table  # noqa: PLC0415 - the report needs the rest of the benchmark

    windows = int(sys.argv[1]) if sys.argv[1:] else 200
    root = Path(__file__).resolve().parent.parent
    print(in_process_table(measure_in_process(root / "var" / "bench" / "inprocess", windows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
