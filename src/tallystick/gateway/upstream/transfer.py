"""One response of a server over Streamable HTTP, from its bytes to the end of a conversation.

MCP 2026-07-28 and 2025-11-25, basic/transports: a request is answered by one JSON object or by an event stream.
"""

from http import HTTPStatus
from typing import Final

from tallystick.gateway.upstream.conversation import BROKEN_OFF, Conversation
from tallystick.gateway.upstream.http1 import TOO_LARGE, Connection
from tallystick.terms import Refusal
from tallystick.wire import EventReader, Reply, read_reply

BACKLOG_BYTES: Final = 256 << 10
"""Notifications that a slow client may leave waiting before the server is no longer read."""


class Transfer:
    """The sink of one response: JSON is collected, an event stream is told as it comes.

    `request_id` is None for what has no answer: whatever comes then is as good as any other. `limit` is in bytes of the
    whole response. `whole` says that the connection has been given back.
    """

    def __init__(self, request_id: int | None, limit: int) -> None:
        """Start with nothing received."""
        self.conversation = Conversation(self._relieve)
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.whole = False
        self._request_id = request_id
        self._left = limit
        self._body: list[bytes] = []
        self._events: EventReader | None = None
        self._connection: Connection | None = None

    def send(self, connection: Connection, request: bytes) -> None:
        """Send `request` and receive what answers it."""
        self._connection = connection
        connection.send(request, self)

    def abandon(self) -> None:
        """Drop the connection, unless the response is whole and the connection somebody else's by now."""
        if self._connection is not None and not self.whole:
            self._connection.abort()

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Take the status and the headers, by lower-case name."""
        self.status, self.headers = status, headers
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if status == HTTPStatus.OK and kind == b"text/event-stream":
            self._events = EventReader(self._left)

    def chunk(self, piece: bytes) -> None:
        """Take a piece of the body."""
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
        if self._request_id is None:
            self.conversation.end(Reply("result", None, b"{}"))
        elif self._events is not None:
            self.conversation.end(BROKEN_OFF)
        elif not self.conversation.ended:
            self.conversation.end(self._read(b"".join(self._body)))

    def fail(self, refusal: Refusal) -> None:
        """Take note that the response will never be whole."""
        self.conversation.end(refusal)

    def _tell(self, events: list[bytes] | Refusal) -> None:
        if isinstance(events, Refusal):
            self.conversation.end(TOO_LARGE)
            return
        for event in events:
            reply = read_reply(event)
            if isinstance(reply, Reply) and reply.kind == "notification":
                self.conversation.tell(reply.payload)
            elif isinstance(reply, Refusal) or reply.kind != "request":
                self.conversation.end(self._matched(reply))
        if self._connection is not None and self.conversation.backlog > BACKLOG_BYTES:
            self._connection.pause()

    def _relieve(self) -> None:
        if self._connection is not None and not self.whole and self.conversation.backlog <= BACKLOG_BYTES // 2:
            self._connection.resume()

    def _read(self, body: bytes) -> Reply | Refusal:
        reply = self._matched(read_reply(body))
        if isinstance(reply, Refusal):
            return Refusal(reply.code, reply.reasons, reply.public_text, f"HTTP status {self.status}: {reply.detail}")
        if reply.kind != "rpc_error" and self.status != HTTPStatus.OK:
            return _broken(f"HTTP status {self.status} with a result")
        return reply

    def _matched(self, reply: Reply | Refusal) -> Reply | Refusal:
        if isinstance(reply, Refusal):
            return reply
        if reply.kind in ("notification", "request"):
            return _broken("no response, but another message")
        # An error may carry no id: the server could not read the request (JSON-RPC 2.0, section 5).
        if reply.id == self._request_id or (reply.kind == "rpc_error" and reply.id is None):
            return reply
        return _broken("the response has another request's id")


def _broken(detail: str) -> Refusal:
    return Refusal(BROKEN_OFF.code, BROKEN_OFF.reasons, BROKEN_OFF.public_text, detail)
