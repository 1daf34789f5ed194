"""A server over Streamable HTTP, in both eras (2026-07-28 and 2025-11-25, basic/transports).

What leaves is built here from nothing: no header of the client is copied, above all not its token.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from urllib.parse import urlsplit

import anyio

from tallystick.gateway.upstream.connector import Connector
from tallystick.gateway.upstream.conversation import BROKEN_OFF, CANCELLED, TIMED_OUT, Conversation, Exchange, Outbound
from tallystick.gateway.upstream.http1 import TOO_LARGE, Connection, Pool
from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, EventReader, Reply, encode, name_header, read_reply

SESSIONS: Final = 10_000
"""Upstream sessions kept at most; the one unused for longest is forgotten first, and opened again when needed."""

BACKLOG_BYTES: Final = 256 << 10
"""Notifications that a slow client may leave waiting before the server is no longer read."""

LINGER_S: Final = 1.0
"""Seconds that a stream may stay open after its response."""


class _Transfer:
    """The sink of one response: JSON is collected, an event stream is told as it comes."""

    def __init__(self, conversation: Conversation, request_id: int, limit: int) -> None:
        self._conversation = conversation
        self._request_id = request_id
        self._left = limit
        self._body: list[bytes] = []
        self._events: EventReader | None = None
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.whole = False
        self.connection: Connection | None = None

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status, self.headers = status, headers
        if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            self._events = EventReader(self._left)

    def chunk(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            self._conversation.end(TOO_LARGE)
        elif self._events is None:
            self._body.append(piece)
        else:
            self._tell(self._events.feed(piece))

    def complete(self) -> None:
        self.whole = True
        if self._events is not None:
            self._conversation.end(BROKEN_OFF)
        else:
            self._conversation.end(self._read(b"".join(self._body)))

    def fail(self, refusal: Refusal) -> None:
        self._conversation.end(refusal)

    def _tell(self, events: list[bytes] | Refusal) -> None:
        if isinstance(events, Refusal):
            self._conversation.end(events)
            return
        for event in events:
            reply = read_reply(event)
            if isinstance(reply, Refusal):
                self._conversation.end(reply)
            elif reply.kind == "notification":
                self._conversation.tell(event)
            elif reply.kind != "request":
                self._conversation.end(self._matched(reply))
        if self.connection is not None and self._conversation.backlog > BACKLOG_BYTES:
            self.connection.pause()

    def _read(self, body: bytes) -> Reply | Refusal:
        if self.status == 202 and not body:  # noqa: PLR2004 - HTTP's own number
            return Reply("result", None, b"{}")
        reply = read_reply(body) if body[:1] == b"{" else BROKEN_OFF
        if isinstance(reply, Refusal):
            return Refusal(reply.code, reply.reasons, reply.public_text, f"HTTP status {self.status}: {reply.detail}")
        return self._matched(reply)

    def _matched(self, reply: Reply) -> Reply | Refusal:
        # An error may carry no id: the server could not read the request (JSON-RPC 2.0, section 5).
        if reply.id == self._request_id or (reply.kind == "rpc_error" and reply.id is None):
            return reply
        return Refusal(
            BROKEN_OFF.code, BROKEN_OFF.reasons, BROKEN_OFF.public_text, "the response has another request's id"
        )


class _Pacing:
    """The client's side, with the server read again once the client has caught up."""

    def __init__(self, exchange: Exchange, transfer: _Transfer) -> None:
        self._exchange = exchange
        self._transfer = transfer

    async def emit(self, message: bytes) -> None:
        await self._exchange.emit(message)
        if self._transfer.connection is not None:
            self._transfer.connection.resume()

    async def abandoned(self) -> None:
        await self._exchange.abandoned()


@dataclass(slots=True)
class _Session:
    """An upstream session of one conversation; `id` is None while unopened, and "" at a server that keeps none."""

    opening: anyio.Lock = field(default_factory=anyio.Lock)
    id: str | None = None
    said: Reply | None = None


class HttpUpstream:
    """One server behind one URL."""

    def __init__(self, url: str, connector: Connector) -> None:
        """Take an absolute http or https URL."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        self._target = ((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode()
        self._host = parts.netloc.rpartition("@")[2].encode()
        self._pool = Pool(connector, parts.hostname or "", parts.port or (443 if tls else 80), tls=tls)
        self._ids = count(1)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request, opening or renewing the upstream session where the era has sessions."""
        if not outbound.era.sessions:
            return await self._converse(outbound, None)
        session = self._session(outbound.conversation)
        for _ in range(2):
            refusal = await self._open(session, outbound)
            if refusal is not None:
                return refusal
            used = session.id
            reply = await self._converse(outbound, used)
            if reply is not _SESSION_GONE:
                return reply
            # Nobody else may have renewed it meanwhile; 404 means that the request was not taken (2025-11-25, transports).
            if session.id == used:
                session.id = None
        return BROKEN_OFF

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Return the answer to `initialize` or `server/discover`."""
        if not outbound.era.sessions:
            return await self._converse(outbound, None)
        session = self._session(outbound.conversation)
        return await self._open(session, outbound) or session.said or BROKEN_OFF

    async def forget(self, conversation: str) -> None:
        """Tell the server that the conversation's session is over (HTTP DELETE); its answer does not matter."""
        session = self._sessions.pop(conversation, None)
        if session is None or not session.id:
            return
        head = b"DELETE %b HTTP/1.1\r\nHost: %b\r\nMcp-Session-Id: %b\r\n\r\n" % (
            self._target,
            self._host,
            session.id.encode(),
        )
        conversation_end = Conversation()
        transfer = _Transfer(conversation_end, 0, 1 << 16)
        await self._pool.send(head, transfer)

    def close(self) -> None:
        """Drop the idle connections."""
        self._pool.close()

    def _session(self, conversation: str) -> _Session:
        session = self._sessions.setdefault(conversation, _Session())
        self._sessions.move_to_end(conversation)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return session

    async def _open(self, session: _Session, outbound: Outbound) -> Refusal | None:
        async with session.opening:
            if session.id is not None:
                return None
            opening = opening_of(outbound)
            transfer, reply = await self._transfer(opening, None)
            if isinstance(reply, Refusal):
                return reply
            if reply.kind != "result":
                return Refusal(
                    BROKEN_OFF.code, BROKEN_OFF.reasons, BROKEN_OFF.public_text, f"initialize: {reply.payload[:200]!r}"
                )
            session_id = transfer.headers.get(b"mcp-session-id", b"").decode("latin-1")
            if not (session_id.isascii() and (session_id.isprintable() or not session_id)):
                return BROKEN_OFF
            await self._notify(outbound, "notifications/initialized", {}, session_id)
            session.id, session.said = session_id, reply
            return None

    async def _converse(self, outbound: Outbound, session_id: str | None) -> Reply | Refusal:
        transfer, reply = await self._transfer(outbound, session_id)
        if session_id and transfer.status == 404:  # noqa: PLR2004 - HTTP's own number
            return _SESSION_GONE
        return reply

    async def _transfer(self, outbound: Outbound, session_id: str | None) -> tuple[_Transfer, Reply | Refusal]:
        request_id = next(self._ids)
        conversation = Conversation()
        transfer = _Transfer(conversation, request_id, outbound.result_bytes)
        request = self._request(outbound, encode.request(request_id, outbound.method, outbound.params), session_id)
        connection = await self._pool.send(request, transfer)
        if isinstance(connection, Refusal):
            return transfer, connection
        transfer.connection = connection
        outbound_paced = outbound if transfer.whole else _paced(outbound, transfer)
        reply = await conversation.follow(outbound_paced)
        if not transfer.whole:
            await self._leave(outbound, connection, transfer, reply, request_id, session_id)
        return transfer, reply

    async def _leave(
        self,
        outbound: Outbound,
        connection: Connection,
        transfer: _Transfer,
        reply: Reply | Refusal,
        request_id: int,
        session_id: str | None,
    ) -> None:
        if isinstance(reply, Refusal):
            connection.abort()
            if outbound.era.sessions and reply in (CANCELLED, TIMED_OUT):
                # In an era where a closed stream does not cancel, the server must be told (2025-11-25, cancellation).
                await self._notify(outbound, "notifications/cancelled", {"requestId": request_id}, session_id)
            return
        asyncio.get_running_loop().call_later(LINGER_S, lambda: None if transfer.whole else connection.abort())

    async def _notify(self, outbound: Outbound, method: str, params: dict[str, object], session_id: str | None) -> None:
        notice = Outbound(outbound.era, method, params, "", outbound.exchange, 5.0, 1 << 16)
        conversation = Conversation()
        transfer = _Transfer(conversation, 0, notice.result_bytes)
        sent = await self._pool.send(self._request(notice, encode.request(None, method, params), session_id), transfer)
        if isinstance(sent, Connection):
            with anyio.move_on_after(notice.timeout_s):
                await conversation.follow(notice)

    def _request(self, outbound: Outbound, body: bytes, session_id: str | None) -> bytes:
        lines = [
            b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream"
            % (self._target, self._host),
            b"MCP-Protocol-Version: %b" % outbound.era.version.encode(),
        ]
        if outbound.era.mirrored:
            lines.append(b"Mcp-Method: %b" % outbound.method.encode())
            name = name_header(outbound.method, outbound.params)
            if name is not None:
                lines.append(b"Mcp-Name: %b" % name.encode())
            lines.extend(
                b"%b: %b" % (name.encode(), value.encode("latin-1")) for name, value in outbound.param_headers.items()
            )
        if session_id:
            lines.append(b"Mcp-Session-Id: %b" % session_id.encode())
        lines.append(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return b"\r\n".join(lines)


_SESSION_GONE: Final = Refusal(
    "upstream", (Reason.UPSTREAM_BROKEN,), BROKEN_OFF.public_text, "the server ended the session"
)


def _paced(outbound: Outbound, transfer: _Transfer) -> Outbound:
    return Outbound(
        outbound.era,
        outbound.method,
        outbound.params,
        outbound.conversation,
        _Pacing(outbound.exchange, transfer),
        outbound.timeout_s,
        outbound.result_bytes,
        outbound.param_headers,
        outbound.cancellation,
    )


def opening_of(outbound: Outbound) -> Outbound:
    """Return the `initialize` that opens an upstream session for a request: the gateway names itself and claims no capability."""
    params: dict[str, object] = {
        "protocolVersion": outbound.era.version,
        "capabilities": {},
        "clientInfo": {"name": "tallystick", "version": "0.1"},
    }
    era = ERAS[outbound.era.version]
    return Outbound(era, "initialize", params, outbound.conversation, outbound.exchange, outbound.timeout_s, 1 << 20)
