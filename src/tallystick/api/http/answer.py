"""Successful answers."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec

from tallystick.control import model

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a route: a whole body, or the pieces of a stream."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: AsyncIterator[bytes] | None = None


def stream(pieces: AsyncIterator[bytes]) -> Answer:
    """Return a stream of server-sent events."""
    return Answer(HTTPStatus.OK, b"", {"content-type": "text/event-stream", "x-accel-buffering": "no"}, pieces)


def message(struct: msgspec.Struct, status: HTTPStatus = HTTPStatus.OK, etag: str | None = None) -> Answer:
    """Return a message as JSON."""
    headers = {"content-type": JSON} if etag is None else {"content-type": JSON, "etag": etag}
    return Answer(status, msgspec.json.encode(struct), headers)


def etag_of(resource: model.Resource) -> str:
    """Return the strong ETag (RFC 9110, 8.8.3) of a resource: two resources that had one name in turn differ too."""
    return f'"{resource.version}-{resource.revision}"'
