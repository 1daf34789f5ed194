"""The gateway's front: reads one request, sends it down the corridor, writes its answer. No framework.

Two ways lead in: ASGI, and a POST that the listener hands over whole.

MCP 2026-07-28 and 2025-11-25, basic/transports (Streamable HTTP). Everything it refuses itself is recorded like any
other refusal.
"""

import logging
import os
from typing import Final, NamedTuple

from tallystick import audit
from tallystick.gateway.answer import INTERNAL, record_denial, turn_away
from tallystick.gateway.context import take
from tallystick.gateway.corridor import travel
from tallystick.gateway.front.asgi import Event, Receive, Scope, Send
from tallystick.gateway.front.channel import HttpChannel, Posted
from tallystick.gateway.front.headers import read_headers
from tallystick.gateway.front.relay import Relay, request_of
from tallystick.gateway.local import END, STREAM
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.tickets import Answer, Received
from tallystick.gateway.upstream import Cancellation
from tallystick.terms import Reason, Refusal
from tallystick.wire import MODERN, Headers, Message, encode, envelope, parse

_log: Final = logging.getLogger(__name__)


class Admission(NamedTuple):
    """What the front lets in. `hosts` and `origins` are compared exactly; sizes are in bytes."""

    hosts: frozenset[str]
    origins: frozenset[str]
    max_request_bytes: int


class _Asked(NamedTuple):
    """Where a request came from and went to: `address` as the listener saw it, `version` as the client named it.

    `address` is empty for what a sibling process has passed on.
    """

    route: str
    address: str
    version: str | None


class _Read(NamedTuple):
    headers: Headers
    message: Message
    body: bytes


class _Request(NamedTuple):
    """What a sibling process needs of a request besides its body."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]


class Front:
    """The MCP endpoints `/servers/<name>/mcp` and `/toolsets/<name>/mcp`."""

    def __init__(self, rooms: Rooms, admission: Admission, relay: Relay | None = None) -> None:
        """Serve `rooms` to whoever `admission` lets in; `relay` knows the sibling processes, where there are any."""
        self._rooms = rooms
        self._admission = admission
        self._relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send, route: str) -> None:
        """Answer one HTTP request on a route, over ASGI."""
        channel, pairs = HttpChannel(receive, send), _pairs(scope)
        headers, method = read_headers(pairs), str(scope["method"])
        if not _is_offered(method, headers):
            await channel.finish(Answer(405, b"", ((b"allow", b"POST, GET, DELETE"),)))
            return
        read = check_origin(headers, self._admission) or await self._read(method, headers, receive)
        target = scope.get("raw_path")
        request = _Request(method, target if isinstance(target, bytes) else b"/", pairs)
        await self._serve(_Asked(route, _address(scope), headers.version), request, read, channel)

    async def post(self, posted: Posted) -> None:
        """Answer a POST on a route that is here as a whole."""
        headers = read_headers(posted.headers)
        read = check_origin(headers, self._admission) or self._read_whole(posted, headers)
        asked = _Asked(posted.route, posted.client[0] if posted.client else "", headers.version)
        channel = HttpChannel(posted.receive, posted.send, posted.answer)
        await self._serve(asked, _Request("POST", posted.target, posted.headers), read, channel)

    async def _read(self, method: str, headers: Headers, receive: Receive) -> _Read | Refusal:
        if method != "POST":
            return _Read(headers, Message("notification", STREAM if method == "GET" else END, None, {}), b"")
        body = await _read_body(receive, self._admission.max_request_bytes)
        return body if isinstance(body, Refusal) else _parse(body, headers)

    def _read_whole(self, posted: Posted, headers: Headers) -> _Read | Refusal:
        if posted.more_body:
            return _CUT_OFF
        limit = self._admission.max_request_bytes
        return _too_large(limit) if len(posted.content) > limit else _parse(posted.content, headers)

    async def _serve(self, asked: _Asked, request: _Request, read: _Read | Refusal, channel: HttpChannel) -> None:
        if isinstance(read, Refusal):
            await channel.finish(await self._refuse(asked, read, None))
        # What a sibling has passed on goes no further.
        elif self._relay is None or not asked.address or not await self._pass_on(self._relay, request, read, channel):
            await self._answer(asked, read, channel)

    async def check(self, scope: Scope, send: Send) -> bool:
        """Refuse a request for something else than MCP whose Host or Origin is not served here; tell if it may pass."""
        refused = check_origin(read_headers(_pairs(scope)), self._admission)
        if refused is not None:
            answer = await self._refuse(_Asked("", _address(scope), None), refused, None)
            await HttpChannel(_nothing, send).finish(answer)
        return refused is None

    async def _answer(self, asked: _Asked, read: _Read, channel: HttpChannel) -> None:
        headers, message, _ = read
        era = envelope.admit(message, headers)
        if isinstance(era, Refusal):
            await channel.finish(await self._refuse(asked, era, message.id))
            return
        now = self._rooms.clock()
        told = take(message)
        received = Received(message, era, headers, asked.route, channel, Cancellation(), now, asked.address, told)
        try:
            answer = await travel(self._rooms, received)
        except Exception:  # noqa: BLE001 - the translation point of the MCP surface: "internal" outside, detail inside
            _log.exception("a request on %s failed", asked.route)
            answer = await self._refuse(asked, INTERNAL, message.id)
        await channel.finish(answer)

    async def _pass_on(self, relay: Relay, request: _Request, read: _Read, channel: HttpChannel) -> bool:
        """Pass on what another process of this gateway has the session or the parked call of; False: none has."""
        headers, message, body = read
        worker, state = None, message.params.get("requestState")
        if headers.session is not None:
            worker = self._rooms.sessions.worker_of(headers.session)
        elif isinstance(state, str):
            held = self._rooms.keeper.peek("state", state)
            worker = None if held is None else held.worker
        if worker is None or not relay.is_elsewhere(worker):
            return False
        return await relay.pass_on(worker, request_of(*request, body), channel.receive, channel.send)

    async def _refuse(self, asked: _Asked, refused: Refusal, request_id: int | str | None) -> Answer:
        rooms, now = self._rooms, self._rooms.clock()
        enough = None if refused is INTERNAL else await turn_away(rooms, asked.address)
        if enough is not None:
            return enough
        call_id, target = audit.leaf.call_id(now, os.urandom(10)), audit.Target(asked.route)
        denial = audit.Denial(call_id, now, rooms.platform, target, refused, 0)
        status, body = encode.refusal(refused, request_id, None, await record_denial(rooms, denial), asked.version)
        return Answer(status, body)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    # A sibling's unix socket has none.
    return str(client[0]) if isinstance(client, tuple | list) and client else ""  # pyright: ignore[reportUnknownArgumentType] - ASGI 3.0 fixes the type


def _is_offered(method: str, headers: Headers) -> bool:
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


def _parse(body: bytes, headers: Headers) -> _Read | Refusal:
    if headers.content_type.split(b";", 1)[0].strip().lower() != b"application/json":
        return Refusal("invalid", (Reason.MALFORMED,), "Send the request with Content-Type: application/json.")
    message = parse(body)
    return message if isinstance(message, Refusal) else _Read(headers, message, body)


# INVARIANT: a request that was cut off is never judged on the part that was read.
_CUT_OFF: Final = Refusal("invalid", (Reason.MALFORMED,), "The request was cut off before its end.")


def _too_large(limit: int) -> Refusal:
    return Refusal("invalid", (Reason.TOO_LARGE,), f"The request is larger than {limit} bytes. Send less at once.")


async def _read_body(receive: Receive, limit: int) -> bytes | Refusal:
    pieces: list[bytes] = []
    length = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return _CUT_OFF
        piece = event.get("body", b"")
        if isinstance(piece, bytes):
            pieces.append(piece)
            length += len(piece)
        if length > limit:
            return _too_large(limit)
        if not event.get("more_body"):
            return b"".join(pieces)


async def _nothing() -> Event:
    return {"type": "http.disconnect"}


def _pairs(scope: Scope) -> list[tuple[bytes, bytes]]:
    pairs = scope["headers"]
    return pairs if isinstance(pairs, list) else []  # pyright: ignore[reportUnknownVariableType] - ASGI 3.0 fixes the type
