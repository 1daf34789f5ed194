"""Remote parties on real sockets: an HTTP server that answers as a test scripts it, and a client of the gateway."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tallystick.gateway.upstream import Cancellation, Connector, HttpTransport, Outbound, Transport
from tallystick.gateway.upstream.conversation import CANCELLED, TIMED_OUT
from tallystick.gateway.upstream.model import UNKNOWN_CLIENT, Call, Question
from tallystick.gateway.upstream.model import Client as Claims
from tallystick.gateway.upstream.stdio import supervision
from tallystick.terms import Refusal
from tallystick.wire import ERAS, MODERN, Reply

BOUND_S = 20.0
"""Seconds after which a test that waits has failed; none waits that long."""

LOCAL = Connector(allow_special=True)
SESSIONS = "2025-11-25"


@dataclass(frozen=True, slots=True)
class Asked:
    """One HTTP request as it came over the wire. `connection` counts from 1."""

    connection: int
    verb: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def message(self) -> dict[str, object]:
        """The JSON-RPC message."""
        message: object = json.loads(self.body)
        assert isinstance(message, dict)
        return message  # pyright: ignore[reportUnknownVariableType] - JSON

    def header(self, name: str) -> str | None:
        """The value of a header that may come once at most."""
        values = [value for known, value in self.headers if known == name]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class Wire:
    """The server's end of one connection."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.is_open = True

    async def write(self, raw: bytes) -> None:
        """Send bytes as they are."""
        await self.stream.send(raw)

    async def answer(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """Send a whole JSON response with its length."""
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
        await self.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def stream_events(self) -> None:
        """Open an event stream."""
        await self.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
        )

    async def event(self, message: bytes) -> None:
        """Send one event in a chunk of its own."""
        await self.chunk(b"data: " + message + b"\n\n")

    async def chunk(self, piece: bytes) -> None:
        """Send one chunk; an empty one is the last."""
        await self.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    async def close(self) -> None:
        """Close the connection."""
        self.is_open = False
        await self.stream.aclose()


Handler = Callable[[Asked, Wire], Awaitable[None]]


@dataclass(slots=True)
class Remote:
    """An HTTP server on loopback. `asked` is what came, in order; `left` is set when a client closed a connection."""

    port: int
    connections: int = 0
    asked: list[Asked] = field(default_factory=list[Asked])
    left: anyio.Event = field(default_factory=anyio.Event)

    @property
    def url(self) -> str:
        """Where the MCP endpoint is."""
        return f"http://127.0.0.1:{self.port}/mcp?k=v"

    def calls(self, method: str) -> list[Asked]:
        """The requests of one MCP method."""
        return [asked for asked in self.asked if asked.verb == "POST" and asked.message.get("method") == method]


@asynccontextmanager
async def remote(handler: Handler) -> AsyncGenerator[Remote]:
    """Serve with `handler`; an assertion that fails in it fails the test."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as serving,
    ):
        server = Remote(int(listener.extra(SocketAttribute.local_port)))  # noqa: S610 - a socket's attribute, no SQL

        async def serve(stream: SocketStream) -> None:
            server.connections += 1
            async with stream:
                await _serve(server, stream, handler)
            server.left.set()

        serving.start_soon(listener.serve, serve)
        with anyio.fail_after(BOUND_S):
            yield server
        serving.cancel_scope.cancel()


async def _serve(server: Remote, stream: SocketStream, handler: Handler) -> None:
    number, wire = server.connections, Wire(stream)
    reader = BufferedByteReceiveStream(stream)
    try:
        while wire.is_open:
            head = (await reader.receive_until(b"\r\n\r\n", 1 << 20)).decode("latin-1")
            first, *lines = head.split("\r\n")
            verb, target, version = first.split(" ")
            assert version == "HTTP/1.1"
            headers = tuple((line.split(": ", 1)[0].lower(), line.split(": ", 1)[1]) for line in lines)
            length = int(dict(headers).get("content-length", "0"))
            body = await reader.receive_exactly(length) if length else b""
            asked = Asked(number, verb, target, headers, body)
            server.asked.append(asked)
            await handler(asked, wire)
    except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass


@asynccontextmanager
async def linked(server: Remote, url: str = "") -> AsyncGenerator[HttpTransport]:
    """Give a way to a server, and end what it does in the background."""
    async with supervision() as supervising:
        yield HttpTransport(url or server.url, LOCAL, supervising)


async def follow(call: Call, outbound: Outbound) -> Reply | Refusal | Question:
    """Follow a call as whoever began it has to: one that nobody waits for any more is cancelled."""
    try:
        end = await call.follow(outbound)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await call.cancel()
        raise
    if end in (CANCELLED, TIMED_OUT):
        await call.cancel()
    return end


async def answer_of(transport: Transport, outbound: Outbound) -> Reply | Refusal:
    """Send one request in its client's era and follow it to its end; nothing may be asked meanwhile."""
    call = await transport.begin(outbound, outbound.era)
    end = call if isinstance(call, Refusal) else await follow(call, outbound)
    assert not isinstance(end, Question)
    return end


def result(asked: Asked, value: object = None) -> bytes:
    """The result that answers a request."""
    return json.dumps({"jsonrpc": "2.0", "id": asked.message["id"], "result": value or {"ok": True}}).encode()


def notice(number: int, size: int = 0) -> bytes:
    """A progress notification, `size` bytes longer than it has to be."""
    params = {"progressToken": "t", "progress": number, "message": "x" * size}
    return json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}).encode()


class Client:
    """The client's side of a call. `told` is what it took; while `reading` is unset it takes nothing.

    `stalled` is set when it was offered something that it did not take, `watched` when somebody waits for it to go.
    """

    def __init__(self, *, asks: bool = False) -> None:
        self.asks = asks
        self.told: list[dict[str, dict[str, object]]] = []
        self.stalled = anyio.Event()
        self.reading = anyio.Event()
        self.reading.set()
        self.gone = anyio.Event()
        self.watched = anyio.Event()

    def stall(self) -> None:
        """Stop reading until `reading` is set again."""
        self.reading = anyio.Event()

    async def emit(self, message: bytes) -> None:
        """Take a notification."""
        if not self.reading.is_set():
            self.stalled.set()
        await self.reading.wait()
        self.told.append(json.loads(message))

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        """Answer nothing: a transport asks nobody itself."""
        raise AssertionError((method, params, within_s))

    async def abandoned(self) -> None:
        """Return when the client has gone."""
        self.watched.set()
        await self.gone.wait()

    @property
    def progress(self) -> list[object]:
        """The progress values told, in order."""
        return [message["params"]["progress"] for message in self.told]


@dataclass(slots=True)
class Ask:
    """What a test asks for; every field has a usual value."""

    method: str = "tools/call"
    params: dict[str, object] = field(default_factory=lambda: {"name": "t", "arguments": {}})
    version: str = MODERN
    conversation: str = "c"
    timeout_s: float = BOUND_S
    result_bytes: int = 8 << 20
    param_headers: dict[str, str] = field(default_factory=dict[str, str])
    client: Client = field(default_factory=Client)
    cancellation: Cancellation = field(default_factory=Cancellation)
    claims: Claims = UNKNOWN_CLIENT
    mirrored: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def outbound(self) -> Outbound:
        """Return the request as the corridor makes it."""
        return Outbound(
            ERAS[self.version],
            self.method,
            self.params,
            self.conversation,
            self.client,
            self.timeout_s,
            self.result_bytes,
            self.param_headers,
            self.cancellation,
            self.claims,
            self.mirrored,
        )
