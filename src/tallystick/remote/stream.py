"""Server-sent events as they are read (WHATWG HTML, section 9.2.6). Pure: pieces of bytes in, events out."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

MOST_BYTES: Final = 8 << 20
"""Bytes of one event; a longer one ends the stream."""


class Event(NamedTuple):
    """One event. `id` is the last one told, empty where none was."""

    id: str
    name: str
    content: bytes


def read_events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """Yield events as soon as they are whole; one that is cut off is not told. Lines end with LF or CRLF."""
    held, last, name, content = b"", "", "", list[bytes]()
    for piece in pieces:
        held += piece
        *lines, held = held.split(b"\n")
        if len(held) > MOST_BYTES:
            return
        for line in map(_ended, lines):
            if line:
                field, _, value = line.partition(b":")
                text = value.removeprefix(b" ")
                last = text.decode("utf-8", "replace") if field == b"id" else last
                name = text.decode("utf-8", "replace") if field == b"event" else name
                content += [text] if field == b"data" else []
                continue
            if content:
                yield Event(last, name or "message", b"\n".join(content))
            name, content = "", []


def _ended(line: bytes) -> bytes:
    return line.removesuffix(b"\r")
