"""Server-sent events (WHATWG HTML, section 9.2) as MCP uses them: one JSON-RPC message per event's data."""

import re
from typing import Final

from tallystick.terms import Reason, Refusal

_BOM: Final = b"\xef\xbb\xbf"
_LINE_ENDS: Final = (b"\n", b"\r")

ID_BYTES: Final = 1_024
"""Longest event id that is kept. A longer one is none: nobody could name it in a request's header."""

_printable: Final = re.compile(rb"[\x20-\x7e\x80-\xff]*").fullmatch


class EventReader:
    """Incremental reader: feed chunks, get the data of each complete event. Each byte is looked at once.

    Comments, events without data (2025-11-25 opens a stream with one) and events of another type than `message` are
    skipped. `last_id` is the id that the last complete event left behind, empty where there is none that can be named;
    `retry_ms` is how long the server last asked to wait before its stream is opened again, None where it did not.
    """

    __slots__ = (
        "_after_return",
        "_first",
        "_id",
        "_is_message",
        "_limit",
        "_lines",
        "_partial",
        "_size",
        "last_id",
        "retry_ms",
    )

    def __init__(self, limit: int) -> None:
        """Refuse events of more than `limit` bytes."""
        self._limit = limit
        self._lines: list[bytes] = []
        self._partial: list[bytes] = []
        self._size = 0
        self._is_message = True
        self._first = True
        self._after_return = False
        self._id = self.last_id = b""
        self.retry_ms: int | None = None

    def restart(self) -> None:
        """Go on with another response: what was not complete is forgotten, the last id and the wait are kept."""
        self._lines.clear()
        self._partial.clear()
        self._size, self._is_message, self._first, self._after_return = 0, True, True, False
        self._id = self.last_id

    def feed(self, chunk: bytes) -> list[bytes] | Refusal:
        """Return the data of every event that `chunk` completes."""
        if self._after_return and chunk:
            # A CR at the end of the last chunk has ended its line already; this LF is its other half.
            chunk, self._after_return = chunk.removeprefix(b"\n"), False
        if not chunk:
            return []
        lines = chunk.splitlines()  # of bytes: at CRLF, LF and CR, which is what the standard asks for
        self._after_return = chunk.endswith(b"\r")
        tail = b"" if chunk.endswith(_LINE_ENDS) else lines.pop()
        if lines and self._partial:
            lines[0] = b"".join([*self._partial, lines[0]])
            self._size -= sum(map(len, self._partial))
            self._partial.clear()
        events = self._take_all(lines)
        if tail:
            self._partial.append(tail)
            self._size += len(tail)
        return events if events is not None and self._size <= self._limit else _TOO_LARGE

    def _take_all(self, lines: list[bytes]) -> list[bytes] | None:
        """Return the data of the completed events, or None once one of them is too large."""
        events: list[bytes] = []
        for line in lines:
            if line:
                self._take(line)
                if self._size > self._limit:
                    return None
                continue
            whole = b"\n".join(self._lines)
            if whole and self._is_message:
                events.append(whole)
            self._lines.clear()
            self._size, self._is_message, self._first = 0, True, False
            # Only now: what an event says of itself holds once it is complete.
            self.last_id = self._id
        return events

    def _take(self, line: bytes) -> None:
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._lines.append(value)
            self._size += len(value) + 1
        elif name == b"event":
            self._is_message = value in (b"message", b"")
        elif name == b"id":
            # INVARIANT: what is kept can stand in a header line, and can never end it.
            if b"\0" not in value:
                self._id = value if len(value) <= ID_BYTES and _printable(value) else b""
        elif name == b"retry" and value.isdigit():
            self.retry_ms = int(value.lstrip(b"0")[:9] or b"0")


_TOO_LARGE: Final = Refusal(
    "upstream",
    (Reason.UPSTREAM_TOO_LARGE,),
    "The server's answer is larger than this server's limit. Ask for less, or have the limit raised.",
)
