"""What goes over the writer's socket. Both ends build and read it here.

Frame to the writer: u32 length of the bundle, u8 length of the tenant, u8 kind, tenant, bundle.

- LEAVES: leaves, each behind its u16 length.
- ONCE: topic, value and one leaf, written unless `value` was the last one of its topic.
- CAPTURED: entries of u16 length, leaf, u32 length, capture: msgpack [subject, retention, [[field, content], ...]], or
  nothing.
- ORDER: u32 number of the order, then its JSON.
- HURRY: nothing; somebody waits for a checkpoint, so the publisher shall not pause.

Frame from the writer: u8 kind, u64 number, u32 count, and for all kinds but ACKNOWLEDGED `number` bytes of text. The
number of ACKNOWLEDGED is the year of the log, shifted by 48 bits, and the index of the first of `count` leaves. TOLD
answers the order `count` and PROGRESS tells how far a log has come: both out of band. The rest comes in the order of
what it answers.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from struct import Struct
from typing import Final, NamedTuple

import msgspec

from tallystick.audit.leaf.call import SIZE_LIMIT
from tallystick.audit.model import Capture
from tallystick.audit.tlog.tiles import pack, unpack

FRAME: Final = Struct(">IBB")
ANSWER: Final = Struct(">BQI")
LEAVES, ONCE, CAPTURED, ORDER, HURRY = range(5)
ACKNOWLEDGED, REFUSED, READY, FATAL, TOLD, PROGRESS = range(6)
PROTOCOL: Final = 2
"""Told as the count of READY: a worker and a writer of different releases must not guess."""
BUNDLE_LIMIT: Final = 64 << 20
CAPTURE_LIMIT: Final = 32 << 20
"""Bytes of one leaf's payloads, which travel in one frame and become one batch of the journal."""
ORDER_LIMIT: Final = 1 << 20
TEXT_LIMIT: Final = 12 << 20
"""Bytes of the answer to an order."""
YEAR_SHIFT: Final = 48
_INDEX: Final = (1 << YEAR_SHIFT) - 1
_LENGTH: Final = Struct(">I")
_CAPTURE: Final = msgspec.msgpack.Decoder(Capture)
_RETENTION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SUBJECT: Final = re.compile(r"[0-9a-f]{64}")


class Frame(NamedTuple):
    """One frame to the writer. `captures` are those of some of the leaves, by place; an order has a number and text."""

    tenant: str
    kind: int
    leaves: list[bytes]
    captures: Mapping[int, Capture] = {}
    number: int = 0
    text: bytes = b""


class Progress(msgspec.Struct, frozen=True):
    """How far a log has come: the leaves that are published, and that a quorum of witnesses has cosigned."""

    tenant: str
    year: int
    published: int
    cosigned: int


_PROGRESS: Final = msgspec.json.Decoder(Progress)


def check_capture(capture: Capture) -> bytes:
    """Form of a capture on the line; raises ValueError for what no writer takes."""
    content = msgspec.msgpack.encode(capture)
    if len(content) > CAPTURE_LIMIT:
        message = f"the payloads of a leaf have at most {CAPTURE_LIMIT} bytes, these have {len(content)}"
        raise ValueError(message)
    _check(capture)
    return content


def _check(capture: Capture) -> None:
    if not _SUBJECT.fullmatch(capture.subject) or not _RETENTION.fullmatch(capture.retention):
        message = "a capture names a subject reference and a retention class"
        raise ValueError(message)


def bundle_of(leaves: Sequence[bytes], captures: Mapping[int, bytes]) -> tuple[int, bytes]:
    """Kind and bundle of a frame with leaves."""
    if not captures:
        return LEAVES, pack(leaves)
    parts: list[bytes] = []
    for place, leaf in enumerate(leaves):
        capture = captures.get(place, b"")
        parts += (len(leaf).to_bytes(2, "big"), leaf, _LENGTH.pack(len(capture)), capture)
    return CAPTURED, b"".join(parts)


def framed(tenant: str, kind: int, bundle: bytes) -> bytes:
    """Bytes of a frame to the writer."""
    name = tenant.encode()
    return FRAME.pack(len(bundle), len(name), kind) + name + bundle


def order_frame(number: int, fields: object) -> bytes:
    """Bytes of an order; raises ValueError when it is too long."""
    text = msgspec.json.encode(fields)
    if len(text) > ORDER_LIMIT:
        message = f"an order has at most {ORDER_LIMIT} bytes, this one has {len(text)}"
        raise ValueError(message)
    return framed("", ORDER, _LENGTH.pack(number) + text)


def told(number: int, fields: object) -> bytes:
    """Bytes of the answer to an order."""
    text = msgspec.json.encode(fields)
    if len(text) > TEXT_LIMIT:
        refused = {"code": "limited", "message": f"the answer has {len(text)} bytes, at most {TEXT_LIMIT} are told"}
        text = msgspec.json.encode({"error": refused})
    return answer(TOLD, text, number)


def progress(found: Iterable[Progress]) -> bytes:
    """Bytes that tell how far logs have come."""
    return b"".join([answer(PROGRESS, msgspec.json.encode(each), 0) for each in found])


def read_progress(text: bytes) -> Progress:
    """How far a log has come; raises msgspec.DecodeError."""
    return _PROGRESS.decode(text)


def answer(kind: int, text: bytes, count: int) -> bytes:
    """Bytes of an answer with text."""
    return ANSWER.pack(kind, len(text), count) + text


def acknowledged(year: int, first: int, count: int) -> bytes:
    """Bytes that acknowledge `count` leaves in a row."""
    return ANSWER.pack(ACKNOWLEDGED, year << YEAR_SHIFT | first, count)


def place_of(number: int) -> tuple[int, int]:
    """Year of the log and index of the first leaf that an acknowledgement names."""
    return number >> YEAR_SHIFT, number & _INDEX


def answers(stream: bytes) -> tuple[list[tuple[int, int, int, bytes]], int]:
    """Kind, number, count and text of the whole answers of a stream, and where the rest begins."""
    found: list[tuple[int, int, int, bytes]] = []
    at, end = 0, len(stream)
    while end - at >= ANSWER.size:
        kind, number, count = ANSWER.unpack_from(stream, at)
        stop = at + ANSWER.size + (number if kind != ACKNOWLEDGED else 0)
        if stop > end:
            break
        found.append((kind, number, count, stream[at + ANSWER.size : stop]))
        at = stop
    return found, at


def frames(arrived: bytearray) -> Iterator[Frame]:
    """Take the whole frames off what has arrived; raises ValueError for what is no frame."""
    at = 0
    try:
        while len(arrived) - at >= FRAME.size:
            length, name, kind = FRAME.unpack_from(arrived, at)
            start = at + FRAME.size + name
            if length > BUNDLE_LIMIT or kind > HURRY:
                message = "it sent what is no frame"
                raise ValueError(message)
            if len(arrived) < start + length:
                break
            tenant = arrived[start - name : start].decode()
            frame = _frame(tenant, kind, bytes(arrived[start : start + length]))
            at = start + length
            yield frame
    finally:
        del arrived[:at]


def _frame(tenant: str, kind: int, bundle: bytes) -> Frame:
    if kind in {LEAVES, ONCE}:
        leaves, whole = unpack(bundle)
        _check_leaves(kind, leaves, whole=whole)
        return Frame(tenant, kind, leaves)
    if kind == CAPTURED:
        leaves, captures = _entries(bundle)
        _check_leaves(kind, leaves, whole=True)
        return Frame(tenant, kind, leaves, captures)
    if kind == ORDER and _LENGTH.size <= len(bundle) <= ORDER_LIMIT + _LENGTH.size:
        return Frame(tenant, kind, [], {}, _LENGTH.unpack_from(bundle)[0], bundle[_LENGTH.size :])
    if kind == HURRY and not bundle:
        return Frame(tenant, kind, [])
    message = "it sent what is no order"
    raise ValueError(message)


def _entries(bundle: bytes) -> tuple[list[bytes], dict[int, Capture]]:
    """Leaves and captures of a CAPTURED bundle; raises ValueError."""
    leaves, captures = list[bytes](), dict[int, Capture]()
    at, end = 0, len(bundle)
    view = memoryview(bundle)
    while at < end:
        leaf = at + 2
        capture = leaf + int.from_bytes(view[at:leaf], "big") + _LENGTH.size
        stop = capture + int.from_bytes(view[capture - _LENGTH.size : capture], "big")
        if capture > end or stop > end:
            message = "it sent what is no bundle of leaves and captures"
            raise ValueError(message)
        if stop > capture:
            # msgspec's errors are ValueErrors.
            captures[len(leaves)] = found = _CAPTURE.decode(view[capture:stop])
            _check(found)
        leaves.append(bundle[leaf : capture - _LENGTH.size])
        at = stop
    return leaves, captures


def _check_leaves(kind: int, leaves: Sequence[bytes], *, whole: bool) -> None:
    sizes = [*map(len, leaves)]
    if not whole or not sizes or max(sizes) > SIZE_LIMIT or min(sizes) == 0 or (kind == ONCE and len(sizes) != 3):  # noqa: PLR2004 - topic, value, leaf
        message = "it sent what is no bundle of leaves"
        raise ValueError(message)
