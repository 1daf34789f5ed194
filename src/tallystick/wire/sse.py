"""Server-sent events (WHATWG HTML, section 9.2) as MCP uses them: one JSON-RPC message per event's data."""

from tallystick.terms import Reason, Refusal


class EventReader:
    """Incremental reader: feed chunks, get the data of each complete event. Comments, ids and retry hints are skipped."""

    __slots__ = ("_limit", "_lines", "_rest", "_size")

    def __init__(self, limit: int) -> None:
        """Refuse events of more than `limit` bytes."""
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes] | Refusal:
        """Return the data of every event that `chunk` completes."""
        self._rest += chunk
        events: list[bytes] = []
        while (line := self._next_line()) is not None:
            if line:
                self._take(line)
            elif self._lines:
                events.append(b"\n".join(self._lines))
                self._lines, self._size = [], 0
        if self._size + len(self._rest) > self._limit:
            return Refusal(
                "upstream",
                (Reason.UPSTREAM_TOO_LARGE,),
                "The server's answer is larger than this server's limit. Ask for less, or have the limit raised.",
            )
        return events

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._lines.append(value.removeprefix(b" "))
            self._size += len(value)

    def _next_line(self) -> bytes | None:
        rest = self._rest
        feed, carriage = rest.find(b"\n"), rest.find(b"\r")
        if carriage >= 0 and (feed < 0 or carriage < feed):
            if carriage + 1 == len(rest):
                return None  # the other half of a CRLF may still come
            width = 2 if rest[carriage + 1 : carriage + 2] == b"\n" else 1
            self._rest = rest[carriage + width :]
            return rest[:carriage]
        if feed < 0:
            return None
        self._rest = rest[feed + 1 :]
        return rest[:feed]
