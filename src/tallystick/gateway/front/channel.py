"""The way back of one HTTP request: a JSON answer, or an event stream once something is told before it."""

import re
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from tallystick.gateway.front.asgi import Event, Receive, Send
from tallystick.gateway.tickets import Answer
from tallystick.wire import encode

_JSON: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_JSON_LINES: Final = b"content-type: application/json\r\ncache-control: no-store\r\n"
_STREAM: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_COMMENT: Final = b": open\r\n\r\n"
"""What a client of server-sent events ignores (WHATWG HTML, section 9.2.6)."""

_ends_its_line: Final = re.compile(b"[\\x00-\\x08\\x0a-\\x1f\\x7f]").search


class Posted(Protocol):
    """A POST on a route that is here as a whole, unless `more_body`: then it was cut off.

    `target` and `headers` (with lower-case names) are as they came; `content` is the body, `client` the address of who
    sent it. `receive` and `send` are ASGI's; `answer` writes a whole answer at once: status, header lines that end with
    CRLF, body.
    """

    route: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    content: bytes
    more_body: bool
    client: tuple[str, int] | None

    async def receive(self) -> Event:
        """Wait until the client has gone."""
        ...

    async def send(self, event: Event) -> None:
        """Write a piece of a stream."""
        ...

    async def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Write a whole answer."""
        ...


class HttpChannel:
    """The way back of one HTTP request."""

    __slots__ = ("_answer", "_streaming", "receive", "send")

    def __init__(
        self, receive: Receive, send: Send, answer: Callable[[int, bytes, bytes], Awaitable[None]] | None = None
    ) -> None:
        """Write with `answer` what is whole, where there is such a way, and all else with `send`."""
        self.receive = receive
        self.send = send
        self._answer = answer
        self._streaming = False

    async def emit(self, message: bytes) -> None:
        """Send one message before the answer; waits while the client is slow."""
        await self._stream(encode.event(message))

    async def stay(self) -> None:
        """Show that the stream is open, although there is nothing to tell."""
        await self._stream(_COMMENT)

    async def closed(self) -> None:
        """Return when the client has closed its side."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def finish(self, answer: Answer) -> None:
        """Send the answer: as the last message of the stream, where there is one."""
        status, body, headers = answer
        if self._streaming:
            await self.send({"type": "http.response.body", "body": encode.event(body) if body else b""})
        elif self._answer is not None:
            lines = _JSON_LINES if body else b""
            await self._answer(status, lines + _lines(headers) if headers else lines, body)
        else:
            length = (b"content-length", b"%d" % len(body))
            told = [*(_JSON if body else ()), length, *headers]
            await self.send({"type": "http.response.start", "status": status, "headers": told})
            await self.send({"type": "http.response.body", "body": body})

    async def _stream(self, piece: bytes) -> None:
        if not self._streaming:
            self._streaming = True
            await self.send({"type": "http.response.start", "status": 200, "headers": _STREAM})
        await self.send({"type": "http.response.body", "body": piece, "more_body": True})


def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    for name, value in headers:
        if _ends_its_line(value):
            message = f"the value of the header {name.decode()} would end its line"
            raise ValueError(message)
    return b"".join([b"%b: %b\r\n" % header for header in headers])
