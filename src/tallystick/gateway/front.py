"""The gateway's front on raw ASGI: reads one request, sends it down the corridor, writes its answer. No framework, no
task per call.

MCP 2026-07-28 and 2025-11-25, basic/transports (Streamable HTTP). Everything it refuses itself is recorded like any
other refusal.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Final, NamedTuple

import anyio

from tallystick import audit
from tallystick.gateway.answer import INTERNAL, owner_of, record_denial
from tallystick.gateway.corridor import travel
from tallystick.gateway.local import END
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.tickets import Answer, Received
from tallystick.gateway.upstream import Cancellation
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Headers, Message, admit, encode, parse

Scope = MutableMapping[str, object]
Event = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""ASGI 3.0."""

_JSON: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_STREAM: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_ROUTING: Final = frozenset(
    {b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-session-id", b"authorization", b"host"}
)

_log: Final = logging.getLogger(__name__)


class Admission(NamedTuple):
    """What the front lets in. `hosts` and `origins` are compared exactly; sizes are in bytes."""

    hosts: frozenset[str]
    origins: frozenset[str]
    max_request_bytes: int


class Front:
    """The MCP endpoints `/servers/<name>/mcp` and `/toolsets/<name>/mcp`."""

    def __init__(self, rooms: Rooms, admission: Admission) -> None:
        """Serve `rooms` to whoever `admission` lets in."""
        self._rooms = rooms
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send, route: str) -> None:
        """Answer one HTTP request on a route."""
        headers = read_headers(_pairs(scope))
        method = scope["method"]
        if method not in ("POST", "DELETE"):
            await _send_answer(send, Answer(405, b"", ((b"allow", b"POST, DELETE"),)))
            return
        refusal = check_origin(headers, self._admission)
        message = refusal or await self._read(method, receive, headers)
        if isinstance(message, Refusal):
            await _send_answer(send, await self._refuse(route, message, None))
            return
        era = admit(message, headers)
        if isinstance(era, Refusal):
            await _send_answer(send, await self._refuse(route, era, message.id))
            return
        exchange = _AsgiExchange(receive, send, era)
        received = Received(message, era, headers, route, exchange, Cancellation(), self._rooms.clock())
        try:
            answer = await travel(self._rooms, received)
        except Exception:  # noqa: BLE001 - the translation point of the MCP surface: "internal" outside, detail inside
            _log.exception("a request on %s failed", route)
            answer = await self._refuse(route, INTERNAL, message.id)
        await exchange.finish(answer)

    async def _read(self, method: object, receive: Receive, headers: Headers) -> Message | Refusal:
        if method == "DELETE":
            return Message("notification", END, None, {})
        body = await _read_body(receive, self._admission.max_request_bytes)
        return body if isinstance(body, Refusal) else _read(body, headers)

    async def _refuse(self, route: str, refused: Refusal, request_id: int | str | None) -> Answer:
        rooms, now = self._rooms, self._rooms.clock()
        denial = audit.Denial(
            audit.call_id(now, os.urandom(10)), now, owner_of(rooms, route), audit.Target(route), refused, 0
        )
        status, body = encode.refusal(refused, request_id, None, await record_denial(rooms, denial))
        return Answer(status, body)


class _AsgiExchange:
    """The client's side of one request: a JSON answer, or an event stream once something is told before it."""

    __slots__ = ("_era", "_receive", "_send", "_streaming")

    def __init__(self, receive: Receive, send: Send, era: Era) -> None:
        self._receive = receive
        self._send = send
        self._era = era
        self._streaming = False

    async def emit(self, message: bytes) -> None:
        if not self._streaming:
            self._streaming = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        await self._send({"type": "http.response.body", "body": encode.event(message), "more_body": True})

    async def abandoned(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._era.disconnect_cancels:
            await anyio.sleep_forever()

    async def finish(self, answer: Answer) -> None:
        if self._streaming:
            await self._send({"type": "http.response.body", "body": encode.event(answer.body)})
        else:
            await _send_answer(self._send, answer)


def read_headers(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Pick the headers that the gateway reads out of ASGI's (lower-case) pairs."""
    found: dict[bytes, bytes] = {}
    headers = Headers()
    for name, value in pairs:
        if name in _ROUTING and name in found:
            headers.duplicated = name.decode()
        found[name] = value
        if name.startswith(b"mcp-param-"):
            headers.params[name.decode("latin-1")] = value.decode("latin-1")
    headers.authorization = found.get(b"authorization")
    headers.host = found.get(b"host", b"")
    headers.origin = found.get(b"origin")
    headers.content_type = found.get(b"content-type", b"")
    headers.version = _text(found.get(b"mcp-protocol-version"))
    headers.method = _text(found.get(b"mcp-method"))
    headers.name = _text(found.get(b"mcp-name"))
    headers.session = _text(found.get(b"mcp-session-id"))
    return headers


def check_origin(headers: Headers, admission: Admission) -> Refusal | None:
    """Refuse another host's name (DNS rebinding) and a browser page that was not named."""
    if headers.host.decode("latin-1").lower() not in admission.hosts:
        return Refusal(
            "denied",
            (Reason.HOST_REFUSED,),
            "This Host is not served here. Use the gateway's public URL, or add the name to gateway.allowed_hosts.",
        )
    if headers.origin is not None and headers.origin.decode("latin-1") not in admission.origins:
        return Refusal(
            "denied",
            (Reason.ORIGIN_REFUSED,),
            "Pages of this Origin may not call here. Have it added to gateway.allowed_origins.",
        )
    return None


def _read(body: bytes, headers: Headers) -> Message | Refusal:
    if headers.content_type.split(b";", 1)[0].strip().lower() != b"application/json":
        return Refusal("invalid", (Reason.MALFORMED,), "Send the request with Content-Type: application/json.")
    message = parse(body)
    if isinstance(message, Message) and message.kind == "response":
        return Refusal(
            "invalid", (Reason.MALFORMED,), "No request of the server is open, so there is nothing to respond to."
        )
    return message


async def _read_body(receive: Receive, limit: int) -> bytes | Refusal:
    body = b""
    while True:
        event = await receive()
        piece = event.get("body", b"")
        if isinstance(piece, bytes):
            body = body + piece if body else piece
        if len(body) > limit:
            # INVARIANT: a request that was cut off is never judged on the part that was read.
            return Refusal(
                "invalid", (Reason.TOO_LARGE,), f"The request is larger than {limit} bytes. Send less at once."
            )
        if not event.get("more_body"):
            return body


async def _send_answer(send: Send, answer: Answer) -> None:
    kind = _JSON if answer.body else ()
    length = (b"content-length", b"%d" % len(answer.body))
    await send({"type": "http.response.start", "status": answer.status, "headers": [*kind, length, *answer.headers]})
    await send({"type": "http.response.body", "body": answer.body})


def _pairs(scope: Scope) -> list[tuple[bytes, bytes]]:
    pairs = scope["headers"]
    return pairs if isinstance(pairs, list) else []  # pyright: ignore[reportUnknownVariableType] - ASGI 3.0 fixes the type


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
