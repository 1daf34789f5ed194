"""HTTP for the development issuer: requests read whole and bounded, parameters read once, answers never stored."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import msgspec

from tallystick.identity.issuer_dev.model import Problem

Message = MutableMapping[str, object]
Scope = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MAX_BODY = 65_536
_MAX_FIELDS = 64


class _HttpScope(msgspec.Struct, frozen=True):
    """The members of an ASGI HTTP scope that are read here."""

    method: str
    path: str
    query_string: bytes = b""
    headers: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list[tuple[bytes, bytes]])


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read whole. Header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """Decoded parameters. All are single (RFC 6749 3.1) but `resource` (RFC 8707 2)."""

    fields: Mapping[str, str]
    resources: tuple[str, ...] = ()

    def get(self, name: str) -> str:
        """Return the parameter, or an empty text: RFC 6749 3.1 treats both alike."""
        return self.fields.get(name, "")


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


async def read_request(scope: Scope, receive: Receive) -> Request | Problem:
    """Return the whole request, or a Problem when it is longer than 64 KiB or was given up."""
    raw = {name: scope[name] for name in _HttpScope.__struct_fields__ if name in scope}
    head = msgspec.convert(raw, _HttpScope, strict=False)
    body = b""
    more: object = True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        if message["type"] != "http.request" or not isinstance(chunk, bytes) or len(body) + len(chunk) > _MAX_BODY:
            return Problem("invalid_request", "the request is too long", 413)
        body, more = body + chunk, message.get("more_body", False)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method, head.path, head.query_string.decode("latin-1"), headers, body)


def read_form(text: str) -> Form | Problem:
    """Return form or query parameters; a repeated one is a Problem."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        return Problem("invalid_request", "the parameters cannot be read")
    resources = tuple(value for name, value in pairs if name == "resource")
    others = [(name, value) for name, value in pairs if name != "resource"]
    if len(dict(others)) != len(others):
        return Problem("invalid_request", "a parameter is repeated")
    return Form(dict(others), resources)


def as_json(document: Mapping[str, object], status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(status, json.dumps(document).encode(), {"content-type": "application/json"})


def as_error(problem: Problem) -> Response:
    """Return the JSON error answer of RFC 6749 5.2."""
    answer = as_json({"error": problem.error, "error_description": problem.description}, problem.status)
    challenge = {"www-authenticate": 'Basic realm="DEVELOPMENT ISSUER"'} if problem.error == "invalid_client" else {}
    return Response(answer.status, answer.body, {**answer.headers, **challenge})


async def send_response(response: Response, send: Send) -> None:
    """Send `response`; nothing of this issuer is ever stored by a cache."""
    headers = {
        "content-length": str(len(response.body)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-tallystick": "DEVELOPMENT ISSUER",
        **response.headers,
    }
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    await send({"type": "http.response.body", "body": response.body})
