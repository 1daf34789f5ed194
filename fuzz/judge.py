"""What must hold for any bytes: nothing crashes, and nobody can read something else than what was judged.

Each check takes bytes and returns, or raises `FindingError`; any other exception is a crash of the wire room.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeGuard

import msgspec

from tallystick.terms import Refusal
from tallystick.wire import ERAS, MODERN, EventReader, Headers, Message, encode, envelope, parse, read_reply
from tallystick.wire.message import is_object

Reader = Callable[[bytes], object]

READERS: Final[list[Reader]] = [json.loads]
"""Readers that nobody here wrote; `fuzz.wire` adds orjson."""

_LIMIT: Final = 1 << 20
_EXACT: Final = 2**53
_FORWARDED: Final = ("jsonrpc", "id", "method", "params")
_UNREAD: Final = object()


class FindingError(Exception):
    """Two readings of one text, or something forwarded that was not judged."""


def check_request(text: bytes) -> None:
    """Judge a client's message: `body`, or `body NUL header-name-value` where `Mcp-Name` is the rest."""
    body, _, name = text.partition(b"\0")
    message = parse(body)
    if isinstance(message, Refusal):
        _told(message)
        return
    read = _members(_read_by_all(body))
    if message.kind == "response":
        return
    _judge_headers(message, name.decode("latin-1"))
    written = encode.request(message.id, message.method, message.params)
    _equal(_read_by_all(written), read, "what is forwarded is not what was judged")
    again = parse(written)
    if again != message:
        _finding(f"written and parsed again it differs: {again}")


def _judge_headers(message: Message, name: str) -> None:
    own = envelope.name_header(message.method, message.params)
    if own is not None and not (own.isascii() and own.isprintable()):
        _finding(f"Mcp-Name would break a header: {own!r}")
    for given in (own, name or None):
        headers = Headers(version=MODERN, method=message.method, name=given)
        era = envelope.admit(message, headers)
        if isinstance(era, Refusal):
            _told(era)
        elif era.version not in ERAS:
            _finding("an era that there is not")
    for version in (None, "2025-11-25", name):
        era = envelope.admit(message, Headers(version=version, session=name or None))
        if isinstance(era, Refusal):
            _told(era)


def check_reply(raw: bytes) -> None:
    """Judge a server's message: what is passed on is what any client would have read at the server."""
    reply = read_reply(raw)
    if isinstance(reply, Refusal):
        return
    if reply.kind in ("notification", "request"):
        whole = _object(_read_by_all(reply.payload))
        if whole.get("method") != reply.method or not set(whole) <= {"jsonrpc", "id", "method", "params"}:
            _finding(f"a notification grew members: {whole}")
        return
    member = "error" if reply.kind == "rpc_error" else "result"
    if b"\n" in encode.event(reply.payload).replace(b"\r\n", b""):
        _finding("a line break in an event's line")
    # What a result holds is not judged, so it may hold what only some readers accept; they agree on all that they do.
    passed = _object(_read_by_all(encode.message(1, member, reply.payload), all_must=False))
    theirs = _object(_read_by_all(raw, all_must=False))
    _equal(passed[member], theirs.get(member), "the payload is not the server's")
    if member == "error":
        if _object(passed["error"]).get("code") != reply.rpc_code:
            _finding("a client reads another error code")
    elif is_object(passed["result"]):
        failed = passed["result"].get("isError", False)
        if failed is not (reply.kind == "tool_error"):
            _finding(f"a client reads isError {failed!r}, the record {reply.kind}")


def check_events(text: bytes) -> None:
    """Judge a stream: cut anywhere, it holds the same events; the first byte says how it is cut."""
    if not text:
        return
    step, stream = text[0] % 7 + 1, text[1:]
    whole, cut, tight = EventReader(_LIMIT), EventReader(_LIMIT), EventReader(16)
    expected = whole.feed(stream)
    found: list[bytes] = []
    for start in range(0, len(stream), step):
        events = cut.feed(stream[start : start + step])
        found += events if isinstance(events, list) else []
        if not isinstance(tight.feed(stream[start : start + step]), list):
            tight = EventReader(16)
    if found != expected:
        _finding(f"cut into pieces of {step}: {found}, whole: {expected}")
    if found != list(_events(stream)):
        _finding(f"the standard reads {list(_events(stream))}, we read {found}")


CHECKS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "request": check_request,
    "reply": check_reply,
    "events": check_events,
}
"""Each check by the folder of its corpus."""


def _events(stream: bytes) -> list[bytes]:
    """Read events line by line as WHATWG HTML 9.2.6 says, with nothing shared with the reader under test."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[bytes] = []
    lines: list[bytes] = []
    kind = b""
    for line in text.split(b"\n")[:-1]:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if line == b"":
            whole = b"\n".join(lines)
            if whole and kind in (b"", b"message"):
                events.append(whole)
            lines, kind = [], b""
        elif name == b"data":
            lines.append(value)
        elif name == b"event":
            kind = value
    return events


def _read_by_all(text: bytes, *, all_must: bool = True) -> object:
    read = [value for reader in READERS if (value := _read(reader, text, must=all_must)) is not _UNREAD]
    for other in read[1:]:
        _equal(read[0], other, "two readers read two values")
    if not read:
        _finding(f"nobody reads {text[:300]!r}")
    return read[0]


def _read(reader: Reader, text: bytes, *, must: bool) -> object:
    try:
        return reader(text)
    except (ValueError, RecursionError) as error:
        if must:
            _finding(f"{reader.__module__} does not read {text[:300]!r}: {error}")
        return _UNREAD


def _members(read: object) -> dict[str, object]:
    # Parameters may be absent; what is forwarded always has them. Members that JSON-RPC does not know are dropped.
    members = _object(read)
    return {name: members.get(name, {}) for name in _FORWARDED if name in members or name == "params"}


def _object(value: object) -> dict[str, object]:
    try:
        return msgspec.convert(value, dict[str, object])
    except msgspec.ValidationError:
        _finding(f"an object was expected: {value!r}")


def _equal(one: object, other: object, what: str) -> None:
    if not same(one, other):
        _finding(f"{what}: {one!r} and {other!r}")


def same(one: object, other: object) -> bool:
    """Whether two readings of a JSON value agree; beyond 2^53 a reader may know doubles only (RFC 8259, section 6)."""
    if is_object(one) and is_object(other):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if _is_list(one) and _is_list(other):
        return len(one) == len(other) and all(same(left, right) for left, right in zip(one, other, strict=True))
    if _is_number(one) and _is_number(other) and type(one) is not type(other):
        return _approaches(one, other)
    return type(one) is type(other) and one == other


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _approaches(one: float, other: float) -> bool:
    try:
        return abs(one) >= _EXACT and math.isclose(float(one), float(other), rel_tol=1e-15)
    except OverflowError:
        return False


def _told(refusal: Refusal) -> None:
    status, body = encode.refusal(refusal, None, None)
    if status >= 500:  # noqa: PLR2004 - the server errors of HTTP
        _finding(f"a client's bytes are answered {status}")
    json.loads(body)


def _finding(what: str) -> NoReturn:
    raise FindingError(what)
