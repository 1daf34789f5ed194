"""The gateway's front on raw ASGI: reads one request, sends it down the corridor, writes its answer. No framework, no
task per call.

MCP 2026-07-28 and 2025-11-25, basic/transports (Streamable HTTP). Everything it refuses itself is recorded like any
other refusal.
"""

import logging
import os
from typing import Final, NamedTuple

from tallystick import audit
from tallystick.gateway.answer import INTERNAL, owner_of, record_denial, turn_away
from tallystick.gateway.corridor import travel
from tallystick.gateway.front.asgi import Receive, Scope, Send
from tallystick.gateway.front.headers import read_headers
from tallystick.gateway.front.relay import Relay, request_of
from tallystick.gateway.local import END, STREAM
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.tickets import Answer, Received
from tallystick.gateway.upstream import Cancellation
from tallystick.terms import Reason, Refusal
from tallystick.wire import MODERN, Headers, Message, encode, envelope, parse

_JSON: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_STREAM: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_COMMENT: Final = b": open\r\n\r\n"
"""What a client of server-sent events ignores (WHATWG HTML, section 9.2.6)."""

_log: Final = logging.getLogger(__name__)


class Admission(NamedTuple):
    """What the front lets in. `hosts` and `origins` are compared exactly; sizes are in bytes."""

    hosts: frozenset[str]
    origins: frozenset[str]
    max_request_bytes: int


class _Asked(NamedTuple):
    """Where a request came from and went to: `address` as the listener saw it, `version` as the client named it."""

    route: str
    address: str
    version: str | None


class _Read(NamedTuple):
    headers: Headers
    message: Message
    body: bytes


class Front:
    """The MCP endpoints `/servers/<name>/mcp` and `/toolsets/<name>/mcp`."""

    def __init__(self, rooms: Rooms, admission: Admission, relay: Relay | None = None) -> None:
        """Serve `rooms` to whoever `admission` lets in; `relay` knows the sibling processes, where there are any."""
        self._rooms = rooms
        self._admission = admission
        self._relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send, route: str) -> None:
        """Answer one HTTP request on a route."""
        headers = read_headers(_pairs(scope))
        method, asked = scope["method"], _Asked(route, _address(scope), headers.version)
        if not _is_offered(method, headers):
            await _send_answer(send, Answer(405, b"", ((b"allow", b"POST, GET, DELETE"),)))
            return
        read = check_origin(headers, self._admission) or await self._read(method, headers, receive)
        if isinstance(read, Refusal):
            await _send_answer(send, await self._refuse(asked, read, None))
        elif not await self._pass_on(scope, read, receive, send):
            await self._answer(asked, read, receive, send)

    async def _read(self, method: object, headers: Headers, receive: Receive) -> _Read | Refusal:
        if method != "POST":
            return _Read(headers, Message("notification", STREAM if method == "GET" else END, None, {}), b"")
        body = await _read_body(receive, self._admission.max_request_bytes)
        if isinstance(body, Refusal):
            return body
        message = _parse(body, headers)
        return message if isinstance(message, Refusal) else _Read(headers, message, body)

    async def check(self, scope: Scope, send: Send) -> bool:
        """Refuse a request for something else than MCP whose Host or Origin is not served here; tell if it may pass."""
        refused = check_origin(read_headers(_pairs(scope)), self._admission)
        if refused is not None:
            await _send_answer(send, await self._refuse(_Asked("", _address(scope), None), refused, None))
        return refused is None

    async def _answer(self, asked: _Asked, read: _Read, receive: Receive, send: Send) -> None:
        headers, message, _ = read
        era = envelope.admit(message, headers)
        if isinstance(era, Refusal):
            await _send_answer(send, await self._refuse(asked, era, message.id))
            return
        channel = _AsgiChannel(receive, send)
        now = self._rooms.clock()
        received = Received(message, era, headers, asked.route, channel, Cancellation(), now, asked.address)
        try:
            answer = await travel(self._rooms, received)
        except Exception:  # noqa: BLE001 - the translation point of the MCP surface: "internal" outside, detail inside
            _log.exception("a request on %s failed", asked.route)
            answer = await self._refuse(asked, INTERNAL, message.id)
        await channel.finish(answer)

    async def _pass_on(self, scope: Scope, read: tuple[Headers, Message, bytes], receive: Receive, send: Send) -> bool:
        """Pass on what another process of this gateway has the session or the parked call of; False: none has."""
        headers, message, body = read
        # What a sibling passed on came over a unix socket and has no address; it goes no further.
        if self._relay is None or scope.get("client") is None:
            return False
        worker, state = None, message.params.get("requestState")
        if headers.session is not None:
            worker = self._rooms.sessions.worker_of(headers.session)
        elif isinstance(state, str):
            held = self._rooms.keeper.peek("state", state)
            worker = None if held is None else held.worker
        if worker is None or not self._relay.is_elsewhere(worker):
            return False
        path = scope.get("raw_path")
        request = request_of(str(scope["method"]), path if isinstance(path, bytes) else b"/", _pairs(scope), body)
        return await self._relay.pass_on(worker, request, receive, send)

    async def _refuse(self, asked: _Asked, refused: Refusal, request_id: int | str | None) -> Answer:
        rooms, now = self._rooms, self._rooms.clock()
        enough = None if refused is INTERNAL else await turn_away(rooms, asked.address)
        if enough is not None:
            return enough
        call_id, target = audit.call_id(now, os.urandom(10)), audit.Target(asked.route)
        denial = audit.Denial(call_id, now, owner_of(rooms, asked.route), target, refused, 0)
        status, body = encode.refusal(refused, request_id, None, await record_denial(rooms, denial), asked.version)
        return Answer(status, body)


class _AsgiChannel:
    """The way back of one request: a JSON answer, or an event stream once something is told before it."""

    __slots__ = ("_receive", "_send", "_streaming")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._streaming = False

    async def emit(self, message: bytes) -> None:
        await self._stream(encode.event(message))

    async def stay(self) -> None:
        await self._stream(_COMMENT)

    async def closed(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def finish(self, answer: Answer) -> None:
        if self._streaming:
            last = encode.event(answer.body) if answer.body else b""
            await self._send({"type": "http.response.body", "body": last})
        else:
            await _send_answer(self._send, answer)

    async def _stream(self, piece: bytes) -> None:
        if not self._streaming:
            self._streaming = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})


def _address(scope: Scope) -> str:
    client = scope.get("client")
    # A sibling's unix socket has none.
    return str(client[0]) if isinstance(client, tuple | list) and client else ""  # pyright: ignore[reportUnknownArgumentType] - ASGI 3.0 fixes the type


def _is_offered(method: object, headers: Headers) -> bool:
    if method == "POST":
        return True
    # An era without sessions has neither (2026-07-28, basic/transports/streamable-http).
    return method in ("GET", "DELETE") and (headers.session is not None or headers.version != MODERN)


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


def _parse(body: bytes, headers: Headers) -> Message | Refusal:
    if headers.content_type.split(b";", 1)[0].strip().lower() != b"application/json":
        return Refusal("invalid", (Reason.MALFORMED,), "Send the request with Content-Type: application/json.")
    return parse(body)


async def _read_body(receive: Receive, limit: int) -> bytes | Refusal:
    body = b""
    while True:
        event = await receive()
        if event["type"] != "http.request":
            # INVARIANT: a request that was cut off is never judged on the part that was read.
            return Refusal("invalid", (Reason.MALFORMED,), "The request was cut off before its end.")
        piece = event.get("body", b"")
        if isinstance(piece, bytes):
            body = body + piece if body else piece
        if len(body) > limit:
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
