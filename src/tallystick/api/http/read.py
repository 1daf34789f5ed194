"""Strict reading: bytes and query texts into the struct that a route takes, or what is wrong with them."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

import msgspec

from tallystick.api.http.problem import Trouble, body_trouble, trouble
from tallystick.terms import Reason, strict_json

T = TypeVar("T", bound=msgspec.Struct)

MOST_BYTES: Final = 1 << 20
"""Bytes of a request's body."""

_UNREADABLE: Final = trouble("invalid", Reason.MALFORMED, "The request was cut off before its end.")


async def read_body(pieces: AsyncIterator[bytes]) -> bytes | Trouble:
    """Return a whole body, or that it is too long."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > MOST_BYTES:
            return trouble(
                "invalid", Reason.TOO_LARGE, f"The body is larger than {MOST_BYTES} bytes. Send less at once."
            )
    return bytes(body)


def read_message(body: bytes, kind: type[T]) -> T | Trouble:
    """Return the struct that a body of JSON holds. One reading only: no duplicate keys, no depth, no unknown member."""
    value = read_json(body)
    if isinstance(value, Trouble):
        return value
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return _unfit(str(error))


def read_json(body: bytes) -> object | Trouble:
    """Return the value that a body of JSON holds."""
    try:
        return strict_json.read(body)
    except ValueError as error:
        return trouble("invalid", Reason.MALFORMED, f"The body is not JSON with a single meaning: {error}")


def read_query(pairs: Sequence[tuple[str, str]], kind: type[T]) -> T | Trouble:
    """Return the struct that query parameters hold; an unknown one, or one that comes twice, is refused."""
    members = dict(pairs)
    if len(members) != len(pairs):
        return body_trouble("query", "a parameter is written twice")
    try:
        return msgspec.convert(members, kind, strict=False)
    except msgspec.ValidationError as error:
        return _unfit(str(error), "query")


def _unfit(error: str, where: str = "body") -> Trouble:
    what, _, place = error.partition(" - at `$")
    path = place.removesuffix("`").removeprefix(".")
    return body_trouble(path or where, what, where)
