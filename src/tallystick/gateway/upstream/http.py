"""A server over Streamable HTTP, in both eras (2026-07-28 and 2025-11-25, basic/transports).

What leaves is built here from nothing: no header of the client is copied, above all not its token. Only `Mcp-Param-*`
headers pass, because a server of the newer era compares them with its arguments.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from urllib.parse import urlsplit

import anyio
import msgspec

from tallystick.gateway.upstream.connector import CONNECT_S, Connector, unreachable
from tallystick.gateway.upstream.conversation import BROKEN_OFF, CANCELLED, TIMED_OUT, Outbound
from tallystick.gateway.upstream.http1 import Pool
from tallystick.gateway.upstream.transfer import Transfer
from tallystick.terms import Refusal
from tallystick.wire import ERAS, Reply, encode, name_header

SESSIONS: Final = 10_000
"""Upstream sessions kept at most; the one unused for longest is forgotten first, and opened again when needed."""

LINGER_S: Final = 1.0
"""Seconds that a stream may stay open after its response."""

NOTICE_S: Final = 5.0
"""Seconds that a message without an answer gets."""

_GONE: Final = 404
"""What a server says of a session that it does not know (2025-11-25, basic/transports)."""

_field_name: Final = re.compile(r"mcp-param-[!#$%&'*+.^_`|~0-9a-z-]+", re.IGNORECASE).fullmatch
_field_value: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch


@dataclass(slots=True)
class _Session:
    """An upstream session of one conversation.

    `id` is None while unopened, and "" at a server that keeps none; `version` is what the server agreed to.
    """

    opening: anyio.Lock = field(default_factory=anyio.Lock)
    id: str | None = None
    version: str = ""


class _Opened(msgspec.Struct):
    protocolVersion: str  # noqa: N815 - the protocol's spelling


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
        self._said: Reply | None = None

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request, opening or renewing the upstream session where the era has sessions."""
        if not outbound.era.sessions:
            return (await self._transfer(outbound, None))[1]
        session = self._session(outbound.conversation)
        for _ in range(2):
            refusal = await self._open(session, outbound)
            if refusal is not None:
                return refusal
            used = session.id
            transfer, reply = await self._transfer(outbound, session)
            if not used or transfer.status != _GONE or reply in (CANCELLED, TIMED_OUT):
                return reply
            # 404 means that the request was not taken (2025-11-25, transports). Somebody else may have renewed already.
            if session.id == used:
                session.id = None
        return BROKEN_OFF

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Return the answer to `initialize` or `server/discover`."""
        if not outbound.era.sessions:
            return await self.ask(outbound)
        return await self._open(self._session(outbound.conversation), outbound) or self._said or BROKEN_OFF

    async def forget(self, conversation: str) -> None:
        """Tell the server that the conversation's session is over (HTTP DELETE); its answer does not matter."""
        session = self._sessions.pop(conversation, None)
        if session is not None and session.id:
            lines = [b"DELETE %b HTTP/1.1\r\nHost: %b" % (self._target, self._host), *_session_lines(session)]
            await self._say(b"\r\n".join([*lines, b"\r\n"]))

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
        if session.id is not None:
            return None
        with anyio.move_on_after(outbound.timeout_s):
            async with session.opening:
                return None if session.id is not None else await self._initialize(session, outbound)
        return unreachable(f"no session was opened in {outbound.timeout_s:.1f} s")

    async def _initialize(self, session: _Session, outbound: Outbound) -> Refusal | None:
        transfer, reply = await self._transfer(opening_of(outbound), None)
        if isinstance(reply, Refusal):
            return reply
        session_id = transfer.headers.get(b"mcp-session-id", b"").decode("latin-1")
        version = _agreed_version(reply)
        if version is None or not _is_visible(session_id):
            return unreachable(f"initialize: {session_id[:80]!r}: {reply.payload[:200]!r}")
        opened = _Session(session.opening, session_id, version)
        body = encode.request(None, "notifications/initialized", {})
        said = await self._say(self._request(outbound, body, opened, "notifications/initialized"))
        if said is not None:
            # A server may refuse what comes before it has taken note, so its answer is waited for.
            await said.conversation.settle()
        session.version, session.id, self._said = version, session_id, reply
        return None

    async def _transfer(self, outbound: Outbound, session: _Session | None) -> tuple[Transfer, Reply | Refusal]:
        request_id = next(self._ids)
        transfer = Transfer(request_id, outbound.result_bytes)
        body = encode.request(request_id, outbound.method, outbound.params)
        request = self._request(outbound, body, session, outbound.method)
        connection = await self._pool.acquire(min(CONNECT_S, outbound.timeout_s))
        if isinstance(connection, Refusal):
            return transfer, connection
        if outbound.cancellation.said:
            self._pool.rest(connection)
            return transfer, CANCELLED
        transfer.send(connection, request)
        try:
            reply = await transfer.conversation.follow(outbound)
        except BaseException:
            transfer.abandon()
            raise
        if isinstance(reply, Refusal):
            transfer.abandon()
        elif not transfer.whole:
            asyncio.get_running_loop().call_later(LINGER_S, transfer.abandon)
        if outbound.era.sessions and reply in (CANCELLED, TIMED_OUT):
            # In an era where a closed stream does not cancel, the server must be told (2025-11-25, cancellation).
            notice = encode.request(None, "notifications/cancelled", {"requestId": request_id})
            await self._say(self._request(outbound, notice, session, "notifications/cancelled"))
        return transfer, reply

    async def _say(self, request: bytes) -> Transfer | None:
        connection = await self._pool.acquire(NOTICE_S)
        if isinstance(connection, Refusal):
            return None
        transfer = Transfer(None, 1 << 16)
        transfer.send(connection, request)
        asyncio.get_running_loop().call_later(NOTICE_S, transfer.abandon)
        return transfer

    def _request(self, outbound: Outbound, body: bytes, session: _Session | None, method: str) -> bytes:
        lines = [
            b"POST %b HTTP/1.1\r\nHost: %b" % (self._target, self._host),
            b"Content-Type: application/json\r\nAccept: application/json, text/event-stream",
        ]
        if session is not None:
            lines.extend(_session_lines(session))
        elif not outbound.era.sessions:
            lines.append(b"MCP-Protocol-Version: %b" % outbound.era.version.encode())
        if outbound.era.mirrored:
            lines.append(b"Mcp-Method: %b" % method.encode())
            name = name_header(method, outbound.params)
            if name is not None:
                lines.append(b"Mcp-Name: %b" % name.encode())
            lines.extend(_param_lines(outbound.param_headers))
        lines.append(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return b"\r\n".join(lines)


def _session_lines(session: _Session) -> Iterator[bytes]:
    yield b"MCP-Protocol-Version: %b" % session.version.encode()
    if session.id:
        yield b"Mcp-Session-Id: %b" % session.id.encode()


def _param_lines(headers: Mapping[str, str]) -> Iterator[bytes]:
    for name, value in headers.items():
        # INVARIANT: nothing that a client says can end a header line, or become another header than its own.
        if _field_name(name) and _field_value(value):
            yield b"%b: %b" % (name.encode(), value.encode("latin-1"))


def _agreed_version(reply: Reply) -> str | None:
    try:
        version = msgspec.json.decode(reply.payload, type=_Opened).protocolVersion
    except msgspec.DecodeError:
        return None
    return version if reply.kind == "result" and version and _is_visible(version) else None


def _is_visible(text: str) -> bool:
    return text.isascii() and (not text or text.isprintable()) and " " not in text


def opening_of(outbound: Outbound) -> Outbound:
    """Return the `initialize` that opens an upstream session: the gateway names itself and claims no capability."""
    params: dict[str, object] = {
        "protocolVersion": outbound.era.version,
        "capabilities": {},
        "clientInfo": {"name": "tallystick", "version": "0.1"},
    }
    era = ERAS[outbound.era.version]
    return Outbound(era, "initialize", params, outbound.conversation, outbound.exchange, outbound.timeout_s, 1 << 20)
