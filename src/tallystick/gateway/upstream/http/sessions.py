"""The sessions that a server keeps for conversations (2025-11-25, basic/lifecycle and basic/transports)."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import anyio

from tallystick.gateway.upstream.connector import unreachable
from tallystick.gateway.upstream.conversation import Conversation, Ended
from tallystick.gateway.upstream.http.link import Link
from tallystick.gateway.upstream.http.transfer import Transfer
from tallystick.gateway.upstream.model import Outbound
from tallystick.gateway.upstream.opening import UNSUPPORTED_VERSION, agreed, has_sessions, offered, opening_params
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply, encode

SESSIONS: Final = 10_000
"""Sessions kept at most; the one unused for longest is ended first, and opened again when needed."""

SESSIONS_EACH: Final = 1_000
"""Sessions kept of one principal: one for each session that it opened, or for each set of capabilities it declares."""

IDLE_S: Final = 1800.0
"""Seconds after which a session that nobody used is ended."""

OPENING_BYTES: Final = 1 << 20
"""Most bytes that a server says of itself."""

_NO_SESSIONS: Final = frozenset({-32601, UNSUPPORTED_VERSION})
"""Errors by which a server of the era without sessions refuses `initialize`."""

_NO_ENDPOINT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


class Session:
    """The session of one conversation.

    `id` is None while unopened, and "" at a server that keeps none. `lines` are its header lines, `said` is what the
    server said of itself. `proven` says that a message in it was ever taken. `streams` are those that are open in it.
    """

    __slots__ = ("id", "lines", "opening", "proven", "said", "streams", "used_at")

    def __init__(self) -> None:
        self.opening = anyio.Lock()
        self.id: str | None = None
        self.lines = b""
        self.said: Reply | None = None
        self.proven = False
        self.streams: list[Conversation] = []
        self.used_at = 0.0

    @property
    def streaming(self) -> bool:
        """Whether a stream is open in it."""
        self.streams = [stream for stream in self.streams if not stream.ended]
        return bool(self.streams)


class Sessions:
    """The sessions at one server, by conversation, the one unused for longest first."""

    def __init__(self, end: Callable[[Session], None]) -> None:
        """Have `end` tell the server of each session that is given up."""
        self._kept: OrderedDict[str, Session] = OrderedDict()
        self._end = end
        self._sweeping: asyncio.TimerHandle | None = None

    def of(self, conversation: str) -> Session:
        """Return the session of a conversation, which may have to be opened."""
        session = self._kept.get(conversation)
        loop = asyncio.get_running_loop()
        if session is None:
            session = self._kept[conversation] = Session()
            self._make_room(conversation)
            if self._sweeping is None:
                self._sweeping = loop.call_later(IDLE_S, self._sweep)
        else:
            self._kept.move_to_end(conversation)
        session.used_at = loop.time()
        return session

    def known(self, conversation: str) -> Session | None:
        """Return the open session of a conversation, None if there is none."""
        session = self._kept.get(conversation)
        return session if session is not None and session.id is not None else None

    def drop(self, conversation: str) -> Session | None:
        """Forget a conversation and return its session, for whoever wants to end it."""
        return self._kept.pop(conversation, None)

    def close(self) -> None:
        """Watch over nothing any more."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _make_room(self, conversation: str) -> None:
        client, _, declared = conversation.partition(".")
        own = [name for name in self._kept if name.startswith(f"{client}.")] if declared else []
        if len(own) > SESSIONS_EACH:
            # Whoever opens or declares more and more loses sessions of its own, and nobody else's.
            self._evict(own)
        elif len(self._kept) > SESSIONS:
            self._evict([*self._kept])

    def _evict(self, names: list[str]) -> None:
        # What is streaming is in use, although nobody asks anything.
        idle = next((name for name in names if not self._kept[name].streaming), names[0])
        self._end(self._kept.pop(idle))

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for name, session in tuple(self._kept.items()):
            if session.used_at + IDLE_S > loop.time():
                break
            if session.streaming:
                self.of(name)
            else:
                self._end(self._kept.pop(name))
        self._sweeping = None
        if self._kept:
            soonest = next(iter(self._kept.values())).used_at + IDLE_S
            self._sweeping = loop.call_at(max(soonest, loop.time() + 1.0), self._sweep)


async def open_session(link: Link, session: Session, outbound: Outbound, era: Era) -> Refusal | Ended | None:
    """Have a session open in `era`, for the client of `outbound`; None when it is.

    A server that refuses because it has no sessions gives an ended call, which says so.
    """
    if session.id is not None:
        return None
    with anyio.move_on_after(outbound.timeout_s):
        async with session.opening:
            # Somebody else may have opened it while this call waited for its turn.
            return None if session.id is not None else await _initialize(link, session, outbound, era)
    return unreachable(f"no session was opened in {outbound.timeout_s:.1f} s")


async def _initialize(link: Link, session: Session, outbound: Outbound, era: Era) -> Refusal | Ended | None:
    transfer, reply = await _ask_to_open(link, outbound, era)
    again = offered(reply, sessions=True)
    if again is not None:
        transfer, reply = await _ask_to_open(link, outbound, again)
    if isinstance(reply, Refusal) or reply.kind != "result":
        return _refused(transfer.status, reply)
    session_id = transfer.headers.get(b"mcp-session-id", b"").decode("latin-1")
    version = agreed(reply)
    if version is None or not _is_visible(version) or not _is_visible(session_id):
        return unreachable(f"initialize: {session_id[:80]!r}: {reply.payload[:200]!r}")
    if not has_sessions(version):
        return Ended(unreachable(f"initialize: version {version[:40]!r} has no sessions"), "not_spoken")
    lines = b"MCP-Protocol-Version: %b\r\n" % version.encode()
    if session_id:
        lines += b"Mcp-Session-Id: %b\r\n" % session_id.encode()
    # A server may refuse what comes before it has taken note, so its answer is waited for; what it is does not matter.
    await link.say(link.heads.post(lines, encode.request(None, "notifications/initialized", {})))
    level = outbound.client.log_level
    if level is not None and b'"logging"' in reply.payload:
        # It was set in the session that this one takes the place of.
        setting = encode.request(next(link.ids), "logging/setLevel", {"level": level})
        await link.say(link.heads.post(lines, setting))
    session.lines, session.said, session.proven, session.id = lines, reply, False, session_id
    link.opened(outbound.conversation)
    return None


async def _ask_to_open(link: Link, outbound: Outbound, era: Era) -> tuple[Transfer, Reply | Refusal]:
    request_id = next(link.ids)
    transfer = Transfer(request_id, OPENING_BYTES)
    body = encode.request(request_id, "initialize", opening_params(outbound.client, era))
    refusal = await link.carry(transfer, link.heads.post(b"", body), outbound)
    if refusal is not None:
        return transfer, refusal
    try:
        # Nobody's progress and nobody's call: it is waited for without anybody who could be asked or told.
        await transfer.conversation.settle()
    finally:
        transfer.abandon()
    return transfer, transfer.conversation.outcome or unreachable("initialize was not answered")


def _refused(status: int, reply: Reply | Refusal) -> Refusal | Ended:
    if isinstance(reply, Reply):
        told = unreachable(f"initialize: {reply.payload[:200]!r}")
        return Ended(reply, "not_spoken") if reply.rpc_code in _NO_SESSIONS or status in _NO_ENDPOINT else told
    if status in _NO_ENDPOINT:
        return Ended(reply, "not_spoken")
    # Whatever broke off, it was not the call: of that, nothing was sent.
    return unreachable(f"initialize: {reply.detail or reply.public_text}") if status or _has_begun(reply) else reply


def _has_begun(refused: Refusal) -> bool:
    return refused.reasons[0] in (Reason.UPSTREAM_BROKEN, Reason.UPSTREAM_TOO_LARGE)


def _is_visible(text: str) -> bool:
    return text.isascii() and (not text or text.isprintable()) and " " not in text
