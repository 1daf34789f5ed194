"""Requests under way over Streamable HTTP, one kind for each kind of era, and what their answers show of the era.

2026-07-28, basic/transports/streamable-http and basic/versioning; 2025-11-25, basic/transports.
"""

from http import HTTPStatus
from typing import Final

from tallystick.gateway.upstream.conversation import (
    BROKEN_OFF,
    CANCELLED,
    CANCELLING,
    TIMED_OUT,
    Ended,
    broken,
    response,
)
from tallystick.gateway.upstream.http.link import Link
from tallystick.gateway.upstream.http.resumption import WayBack
from tallystick.gateway.upstream.http.sessions import Session, open_session
from tallystick.gateway.upstream.http.transfer import Transfer
from tallystick.gateway.upstream.model import Evidence, Outbound, Question
from tallystick.gateway.upstream.opening import UNSUPPORTED_VERSION, offered, supported
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply, encode

NO_STREAM: Final = Refusal(
    "upstream", (Reason.METHOD_UNKNOWN,), "The server offers no stream on which it would speak unasked."
)

_MODERN_ERRORS: Final = frozenset({-32020, -32021, UNSUPPORTED_VERSION})
"""Errors that only the era without sessions has."""

_METHOD_NOT_FOUND: Final = -32601
_INVALID_PARAMS: Final = -32602
_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class ModernCall(Transfer):
    """A request of an era without sessions: closing its response cancels it, and its server asks nothing."""

    @property
    def evidence(self) -> Evidence:
        """What the answer so far shows about the era."""
        return modern_evidence(self.status, self.conversation.outcome)

    async def respond(self, question: Question, answer: Reply) -> Refusal | None:
        """Return why nothing can be answered: nothing was asked."""
        del question, answer
        return BROKEN_OFF

    async def cancel(self) -> None:
        """Close the response; that tells the server (2026-07-28, basic/patterns/cancellation)."""
        self.conversation.end(CANCELLED)
        self.abandon()


def modern_evidence(status: int, end: Reply | Refusal | None) -> Evidence:
    """Return what a modern request's answer shows: a refusal in words that the era has not is another era's."""
    code = end.rpc_code if isinstance(end, Reply) else None
    if status in _DENIED or code == _INVALID_PARAMS or end in (CANCELLED, TIMED_OUT):
        return "unknown"
    if end is not None and code == UNSUPPORTED_VERSION and supported(end):
        return "not_spoken" if offered(end, sessions=False) is None else "not_taken"
    if code in _MODERN_ERRORS or (code == _METHOD_NOT_FOUND and status == HTTPStatus.NOT_FOUND):
        return "spoken"
    if isinstance(end, Reply) and end.result_type:
        return "spoken"
    return "not_spoken" if status in _REFUSED else "unknown"


class SessionCall:
    """A request of an era with sessions: the server may ask in the middle, and is told when it is cancelled."""

    __slots__ = ("_begun", "_era", "_evidence", "_lines", "_link", "_request_id", "_session", "_transfer", "_used")

    def __init__(self, link: Link, session: Session, outbound: Outbound, era: Era) -> None:
        """Take a session that is open."""
        self._link = link
        self._session = session
        self._begun = outbound
        self._era = era
        self._evidence: Evidence | None = None
        self._renew()

    @property
    def evidence(self) -> Evidence:
        """What the answer so far shows about the era."""
        end = self._transfer.conversation.outcome
        if self._evidence is not None:
            return self._evidence
        if not isinstance(end, Reply) or self._transfer.status in _DENIED:
            return "unknown"
        return "not_spoken" if end.rpc_code in _MODERN_ERRORS else "spoken"

    async def send(self) -> Refusal | None:
        """Send the request."""
        body = encode.request(self._request_id, self._begun.method, self._begun.params)
        request = self._link.heads.post(self._lines, body)
        return await self._link.carry(self._transfer, request, self._begun)

    async def follow(self, outbound: Outbound) -> Reply | Refusal | Question:
        """Follow the call; a session that the server has forgotten is renewed, once, and the request sent again."""
        end = await self._transfer.follow(outbound)
        if not self._is_gone(end):
            self._session.proven = True
            return end
        # 404 means that the request was not taken (2025-11-25, transports). Somebody else may have renewed already.
        if self._session.id == self._used:
            self._session.id = None
        opened = await open_session(self._link, self._session, self._begun, self._era)
        if isinstance(opened, Ended):
            self._evidence = opened.evidence
            return opened.end
        if opened is not None:
            return opened
        self._renew()
        return await self.send() or await self._transfer.follow(outbound)

    async def respond(self, question: Question, answer: Reply) -> Refusal | None:
        """Post the client's answer to the session that asked."""
        said = await self._link.say(self._link.heads.post(self._lines, response(question, answer)))
        if not isinstance(said, Refusal) and said.status < HTTPStatus.BAD_REQUEST:
            return None
        refused = said if isinstance(said, Refusal) else broken(f"HTTP status {said.status} to the client's answer")
        self._transfer.conversation.end(refused)
        self._transfer.abandon()
        return refused

    async def cancel(self) -> None:
        """Tell the server by name: in this era a closed stream does not cancel (2025-11-25, cancellation)."""
        self._transfer.conversation.end(CANCELLED)
        if isinstance(self._transfer.conversation.outcome, Refusal) and not self._transfer.whole:
            self._transfer.abandon()
            notice = encode.request(None, CANCELLING, {"requestId": self._request_id})
            self._link.later(self._link.heads.post(self._lines, notice))

    def _renew(self) -> None:
        self._request_id = next(self._link.ids)
        self._used, self._lines = self._session.id, self._session.lines
        self._transfer = Transfer(self._request_id, self._begun.result_bytes, "call", WayBack(self._link, self._lines))

    def _is_gone(self, end: Reply | Refusal | Question) -> bool:
        if self._transfer.status != HTTPStatus.NOT_FOUND or not self._used or isinstance(end, Question):
            return False
        return end not in (CANCELLED, TIMED_OUT) and not (isinstance(end, Reply) and end.rpc_code == _METHOD_NOT_FOUND)


class StreamCall:
    """The stream on which a server speaks unasked to one conversation (2025-11-25, transports: GET)."""

    __slots__ = ("_lines", "_link", "_session", "_transfer", "_used")

    def __init__(self, link: Link, session: Session, outbound: Outbound) -> None:
        """Take a session that is open."""
        self._link = link
        self._session = session
        self._used, self._lines = session.id, session.lines
        self._transfer = Transfer(0, outbound.result_bytes, "stream", WayBack(link, self._lines))

    @property
    def evidence(self) -> Evidence:
        """Whether there is a stream shows nothing about the era."""
        return "unknown"

    async def send(self, outbound: Outbound) -> Refusal | None:
        """Ask for the stream."""
        self._session.streams.append(self._transfer.conversation)
        return await self._link.carry(self._transfer, self._link.heads.get(self._lines), outbound)

    async def follow(self, outbound: Outbound) -> Reply | Refusal | Question:
        """Pass on what the server says, until it or nobody wants to go on."""
        end = await self._transfer.follow(outbound)
        status = self._transfer.status
        if isinstance(end, Question) or end in (CANCELLED, TIMED_OUT):
            return end
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            return NO_STREAM
        if status == HTTPStatus.NOT_FOUND and self._session.id == self._used:
            # The session is gone, or there never was such a stream: one that was opened for it cannot be gone. Where
            # the session was renewed meanwhile, nothing is known of a stream in the new one.
            if not self._used or not self._session.proven:
                return NO_STREAM
            self._session.id = None
        return end

    async def respond(self, question: Question, answer: Reply) -> Refusal | None:
        """Post an answer to the session that asked."""
        said = await self._link.say(self._link.heads.post(self._lines, response(question, answer)))
        if isinstance(said, Refusal):
            return said
        refused = said.status >= HTTPStatus.BAD_REQUEST
        return broken(f"HTTP status {said.status} to the client's answer") if refused else None

    async def cancel(self) -> None:
        """Close the stream."""
        self._transfer.conversation.end(CANCELLED)
        self._transfer.abandon()
