"""Server-sent events are read the same however the network cuts them, and each byte is read once."""

import tracemalloc

import pytest

from tallystick.terms import Reason, Refusal
from tallystick.wire import EventReader

STREAM = (
    "\ufeff: hello\n\nid: 1\nretry: 5\ndata:\n\n"  # a comment, and the empty event that opens a stream
    'event: message\ndata: {"a":1}\n\n'
    "data:no space\ndata:  two\ndata\n\n"
    "event: ping\ndata: ignored\n\n"
    "datum: ignored\nDATA: ignored\n\n"
    "event\ndata: \u00e9\n\n\n\n"
    "data: never finished"
)
TOLD = [b'{"a":1}', b"no space\n two\n", "\u00e9".encode()]


def _read(pieces: list[bytes], limit: int = 1000) -> list[bytes]:
    reader, events = EventReader(limit), list[bytes]()
    for piece in pieces:
        told = reader.feed(piece)
        assert not isinstance(told, Refusal)
        events += told
    return events


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_stream_cut_anywhere_tells_the_same_events(line_end: str) -> None:
    stream = STREAM.replace("\n", line_end).encode()
    assert _read([stream]) == TOLD
    assert _read([stream[i : i + 1] for i in range(len(stream))]) == TOLD
    for first in range(len(stream)):
        assert _read([stream[:first], b"", stream[first:]]) == TOLD
        for second in range(first, len(stream), 7):
            assert _read([stream[:first], stream[first:second], stream[second:]]) == TOLD


def test_a_carriage_return_ends_its_line_without_waiting_for_more() -> None:
    assert _read([b"data: a\r\r"]) == [b"a"]
    assert _read([b"data: a\r\n\r", b"\ndata: b\r", b"\r"]) == [b"a", b"b"]


def test_a_carriage_return_at_the_end_of_a_chunk_hides_only_its_own_line_feed() -> None:
    assert _read([b"data: a\r", b"\n\n"]) == [b"a"]
    assert _read([b"data: a\r", b"\n", b"\n"]) == [b"a"]
    assert _read([b"data: a\n", b"\r", b"\ndata: b\n\n"]) == [b"a", b"b"]


def test_a_large_event_is_put_together_once() -> None:
    piece, pieces = b"x" * (64 << 10), 128
    reader = EventReader(16 << 20)
    tracemalloc.start()
    for _ in range(pieces):
        assert reader.feed(piece) == []
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The reader keeps the very pieces that it was given: nothing that grows is copied or searched again.
    assert most < len(piece)
    assert reader.feed(b"\ndata:" + piece + b"\n\n") == [piece]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 101 + b"\n\n"],
        [b"data: " + b"x" * 50, b"x" * 51, b"x"],
        [b"data: " + b"x" * 40 + b"\n", b"data: " + b"x" * 40 + b"\n", b"data: " + b"x" * 40 + b"\n"],
        [b": " + b"x" * 101],
        [b"data:\n" * 102],
    ],
    ids=["at once", "an endless line", "many lines", "a comment", "empty lines"],
)
def test_an_event_over_the_limit_is_refused(pieces: list[bytes]) -> None:
    reader = EventReader(100)
    refusal = next((told for told in map(reader.feed, pieces) if isinstance(told, Refusal)), None)
    assert refusal is not None
    assert refusal.reasons == (Reason.UPSTREAM_TOO_LARGE,)


def test_the_limit_is_of_one_event_and_not_of_the_stream() -> None:
    assert _read([b"data: " + b"x" * 80 + b"\n\n", b": " + b"c" * 80 + b"\n"] * 50, 100) == [b"x" * 80] * 50


@pytest.mark.parametrize(
    ("stream", "last_id", "retry_ms"),
    [
        (b"", b"", None),
        (b"id: 1\ndata:\n\n", b"1", None),
        (b"id: 1\ndata: x\n\ndata: y\n\n", b"1", None),
        (b"id: 1\ndata: x\n\nid: 2\ndata: y\n", b"1", None),
        (b"id: 1\nid: 2\nevent: ping\n\n", b"2", None),
        (b"id:1\n\nid\n\n", b"", None),
        (b"id: 1\n\nid: 2\0\n\n", b"1", None),
        (b"id: 1\n\nid: \x07\n\n", b"", None),
        (b"id: 1\n\nid: 2\tb\n\n", b"", None),
        (b"id: " + b"x" * 1024 + b"\n\n", b"x" * 1024, None),
        (b"id: 1\n\nid: " + b"x" * 1025 + b"\n\n", b"", None),
        ("id: \u00e9\n\n".encode(), "\u00e9".encode(), None),
        (b"retry: 500\n", b"", 500),
        (b"retry: 0\nretry: 1s\nretry: -1\nretry:\nretry: 1.5\n", b"", 0),
        (b"retry: 000000000000007\n", b"", 7),
        (b"retry: " + b"9" * 500 + b"\n", b"", 999_999_999),
        ("retry: \u0665\n".encode(), b"", None),
    ],
)
def test_where_a_stream_goes_on_is_told_by_its_whole_events(
    stream: bytes, last_id: bytes, retry_ms: int | None
) -> None:
    for size in (1, len(stream) or 1):
        reader = EventReader(4000)
        for start in range(0, len(stream), size):
            assert not isinstance(reader.feed(stream[start : start + size]), Refusal)
        assert (reader.last_id, reader.retry_ms) == (last_id, retry_ms)


def test_a_reader_goes_on_with_another_response_and_forgets_what_was_incomplete() -> None:
    reader = EventReader(100)
    assert reader.feed(b"id: 1\nretry: 7\n\nid: 2\nevent: ping\ndata: lost\nda") == []
    reader.restart()
    assert (reader.last_id, reader.retry_ms) == (b"1", 7)
    assert reader.feed(b"\xef\xbb\xbfdata: found\n\n") == [b"found"]
    assert (reader.last_id, reader.retry_ms) == (b"1", 7)
    assert reader.feed(b"data: x\r") == []
    reader.restart()
    assert reader.feed(b"\n" + b"data: " + b"y" * 90 + b"\n\n") == [b"y" * 90]
