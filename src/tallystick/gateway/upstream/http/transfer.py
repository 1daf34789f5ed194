"""One response of a server over Streamable HTTP, from its bytes to the end of a conversation.

MCP 2026-07-28 and 2025-11-25, basic/transports: a request is answered by one JSON object or by an event stream.
"""

import asyncio
from http import HTTPStatus
from typing import Final, Literal, Protocol

from tallystick.gateway.upstream.conversation import (
    BACKLOG_BYTES,
    BROKEN_OFF,
    CANCELLING,
    Conversation,
    broken,
    question_of,
)
from tallystick.gateway.upstream.http1 import TOO_LARGE, Connection
from tallystick.gateway.upstream.model import Outbound, Question
from tallystick.terms import Refusal
from tallystick.wire import EventReader, Reply, read_reply

LINGER_S: Final = 1.0
"""Seconds that a stream may stay open after its response."""

Kind = Literal["call", "listen", "stream", "notice"]
"""`call`: one answer, bounded as a whole. `listen`: the same, but its stream may go on for ever. `stream`: messages
without an answer. `notice`: nothing is expected, so whatever comes is as good as any other."""


class Back(Protocol):
    """What a session offers to a response in it."""

    def refuse(self, asked: Reply) -> None:
        """Answer a server's request that no client can be asked."""
        ...

    def resume(self, transfer: "Transfer", last_id: bytes, retry_ms: int | None) -> bool:
        """Have an event stream go on where it was closed, after a while; False where it cannot."""
        ...

    def stop(self) -> None:
        """Do not go on any more."""
        ...


class Transfer:
    """The sink of one response: JSON is collected, an event stream is told as it comes.

    `limit` is in bytes: of the whole response, or of each event where there is no end to them. `whole` says that the
    connection has been given back. `back` leads into the session; None where the era has none: then its server asks
    nothing, and a stream that is closed early has ended. `status` and `headers` are those of the first response.
    """

    def __init__(self, request_id: int, limit: int, kind: Kind = "call", back: Back | None = None) -> None:
        """Start with nothing received."""
        self.conversation = Conversation(self._relieve, self.abandon)
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.whole = False
        self._request_id = request_id
        self._kind: Kind = kind
        self._back = back
        self._limit = self._left = limit
        self._body: list[bytes] = []
        self._events: EventReader | None = None
        self._connection: Connection | None = None
        self._resumed = False

    def send(self, connection: Connection, request: bytes) -> None:
        """Send `request` and receive what answers it."""
        self._connection = connection
        connection.send(request, self)

    def abandon(self) -> None:
        """Drop the connection, unless the response is whole and the connection somebody else's by now."""
        if self._back is not None:
            self._back.stop()
        if self._connection is not None and not self.whole:
            self._connection.abort()

    async def follow(self, outbound: Outbound) -> Reply | Refusal | Question:
        """Follow the conversation; at its end the connection is free, or free soon."""
        end = await self.conversation.follow(outbound)
        if isinstance(end, Refusal):
            self.abandon()
        elif not self.whole and isinstance(end, Reply):
            asyncio.get_running_loop().call_later(LINGER_S, self.abandon)
        return end

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Take the status and the headers, by lower-case name."""
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        streams = status == HTTPStatus.OK and kind == b"text/event-stream"
        if self._resumed:
            # INVARIANT: what the server says of its stream is not said of the request, which it has taken.
            if not streams:
                self.conversation.end(broken(f"HTTP status {status} to the request for the rest of a stream"))
                self.abandon()
            return
        self.status, self.headers = status, headers
        if streams:
            self._events = EventReader(self._limit)

    def chunk(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self._events is None or self._kind not in ("listen", "stream"):
            self._left -= len(piece)
        if self._left < 0:
            self._body.clear()
            self.conversation.end(TOO_LARGE)
        elif self._events is None:
            self._body.append(piece)
        else:
            self._tell(self._events.feed(piece))

    def complete(self) -> None:
        """Take note that the response is whole."""
        self.whole = True
        if self._kind == "notice":
            self.conversation.end(Reply("result", None, b"{}"))
        elif self._events is not None or self._kind == "stream":
            self._close(BROKEN_OFF if self._events is not None else broken(f"HTTP status {self.status}"))
        elif not self.conversation.ended:
            body = b"".join(self._body)
            self._body.clear()
            self.conversation.end(self._read(body))

    def fail(self, refusal: Refusal) -> None:
        """Take note that the response will never be whole."""
        self._body.clear()
        self._close(refusal)

    def _close(self, refusal: Refusal) -> None:
        """End what was cut off, unless there is a way back to the rest of it."""
        events = self._events
        if refusal is BROKEN_OFF and events is not None and self._back is not None and not self.conversation.ended:
            events.restart()
            if self._back.resume(self, events.last_id, events.retry_ms):
                self._connection, self.whole, self._resumed = None, False, True
                return
        self.conversation.end(refusal)

    def _tell(self, events: list[bytes] | Refusal) -> None:
        if isinstance(events, Refusal):
            self.conversation.end(TOO_LARGE)
            return
        for event in events:
            reply = read_reply(event)
            if isinstance(reply, Reply) and reply.kind == "notification":
                # A server cancels what it asked, by an id that no client ever sees.
                if reply.method != CANCELLING:
                    self.conversation.tell(reply.payload)
            elif isinstance(reply, Reply) and reply.kind == "request":
                self._ask(reply)
            elif self._kind != "stream":
                self.conversation.end(self._matched(reply))
        if self._connection is not None and self.conversation.backlog > BACKLOG_BYTES:
            self._connection.pause()

    def _ask(self, asked: Reply) -> None:
        if self._back is not None:
            question = question_of(asked)
            if question is None or not self.conversation.ask(question):
                self._back.refuse(asked)

    def _relieve(self) -> None:
        if self._connection is not None and not self.whole and self.conversation.backlog <= BACKLOG_BYTES // 2:
            self._connection.resume()

    def _read(self, body: bytes) -> Reply | Refusal:
        reply = self._matched(read_reply(body))
        if isinstance(reply, Refusal):
            return Refusal(reply.code, reply.reasons, reply.public_text, f"HTTP status {self.status}: {reply.detail}")
        if reply.kind != "rpc_error" and self.status != HTTPStatus.OK:
            return broken(f"HTTP status {self.status} with a result")
        return reply

    def _matched(self, reply: Reply | Refusal) -> Reply | Refusal:
        if isinstance(reply, Refusal):
            return reply
        if reply.kind in ("notification", "request"):
            return broken("no response, but another message")
        # An error may carry no id: the server could not read the request (JSON-RPC 2.0, section 5).
        if reply.id == self._request_id or (reply.kind == "rpc_error" and reply.id is None):
            return reply
        return broken("the response has another request's id")
