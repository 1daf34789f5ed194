"""Values of the body that repeat themselves in header fields: `Mcp-Name` and `Mcp-Param-*`.

MCP 2026-07-28, basic/transports/streamable-http (Custom Headers from Tool Parameters, Value Encoding, Server
Validation) and server/tools (x-mcp-header). A header is only ever compared with the body, never believed.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.terms import Reason, Refusal
from tallystick.wire.message import is_object

Mirrored = tuple[tuple[str, tuple[str, ...]], ...]
"""Which arguments of a tool repeat themselves in a header: (header name, path of the argument)."""

_ANNOTATION: Final = "x-mcp-header"
_PREFIX: Final = "Mcp-Param-"
_NAMED: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
_MAY_BE_ABSENT: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
"""The tasks extension asks for `Mcp-Name`; SDKs that know its methods as unknown ones do not send it."""

_OPENS: Final = "=?base64?"
_CLOSES: Final = "?="
_LARGEST: Final = 2**53 - 1
"""Larger integers are not the same number to every reader, so the protocol lets no header carry them."""

_is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_field_value: Final = re.compile(r"[\t\x20-\x7e]*").fullmatch
_is_whole: Final = re.compile(r"(-?[0-9]{1,32})(?:\.0{1,32})?").fullmatch

# JSON Schema 2020-12, by the form of what the keyword holds. None of them keeps a property at one fixed path.
_ONE_SCHEMA: Final = frozenset(
    {
        *("items", "contains", "unevaluatedItems", "additionalProperties", "propertyNames", "unevaluatedProperties"),
        *("not", "if", "then", "else", "contentSchema"),
    }
)
_LISTED_SCHEMAS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED_SCHEMAS: Final = frozenset({"patternProperties", "dependentSchemas", "$defs", "definitions"})


def mirrored(schema: object) -> Mirrored | str:
    """Return the arguments that a tool's inputSchema wants in headers, or what is wrong with its annotations.

    A tool with a wrong annotation must not be shown to anybody who calls over HTTP.
    """
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for path, place in _places(schema):
        if _ANNOTATION not in place:
            continue
        where = ".".join(path or ())[:80]
        name = place[_ANNOTATION]
        if not path:
            return f"{_ANNOTATION} stands where no chain of properties leads"
        if not isinstance(name, str) or not _is_token(name):
            return f"{_ANNOTATION} of {where!r} is not the name of a header field"
        if place.get("type") not in ("string", "integer", "boolean"):
            return f"{_ANNOTATION} of {where!r} is only for a string, an integer or a boolean"
        if name.lower() in found:
            return f"{_ANNOTATION} {name[:80]!r} is there twice"
        found[name.lower()] = (_PREFIX + name, path)
    return tuple(found.values())


def _places(schema: object) -> Iterator[tuple[tuple[str, ...] | None, dict[str, object]]]:
    """Yield each schema in `schema`, in its order, with its path of properties, None where there is no fixed one."""
    waiting: list[tuple[tuple[str, ...] | None, object]] = [((), schema)]
    while waiting:
        path, place = waiting.pop()
        if is_object(place):
            yield path, place
            inner = [inside for keyword, held in place.items() for inside in _inside(path, keyword, held)]
            waiting.extend(reversed(inner))


def _inside(
    path: tuple[str, ...] | None, keyword: str, held: object
) -> Iterator[tuple[tuple[str, ...] | None, object]]:
    if keyword == "properties" and is_object(held):
        yield from ((None if path is None else (*path, name), schema) for name, schema in held.items())
    elif keyword in _ONE_SCHEMA:
        yield None, held
    elif keyword in _LISTED_SCHEMAS and isinstance(held, list):
        yield from ((None, schema) for schema in held)  # pyright: ignore[reportUnknownVariableType] - parsed JSON
    elif keyword in _NAMED_SCHEMAS and is_object(held):
        yield from ((None, schema) for schema in held.values())


def param_headers(of: Mirrored, arguments: Mapping[str, object]) -> dict[str, str]:
    """Return the `Mcp-Param-*` headers that repeat `arguments`, encoded; none for what is absent or null."""
    texts = {name: _text(_argument(arguments, path)) for name, path in of}
    return {name: encode_value(text) for name, text in texts.items() if text is not None}


def check_params(of: Mirrored, arguments: Mapping[str, object], headers: Mapping[str, str]) -> Refusal | None:
    """Refuse `Mcp-Param-*` headers that do not repeat `arguments`; headers that the tool did not ask for are ignored.

    `headers` are by name in any case. A header that came twice has to be refused before, by whoever reads them.
    """
    if not of:
        return None
    told = {name.lower(): value for name, value in headers.items()}
    if len(told) != len(headers):
        return mismatch("an Mcp-Param header came twice")
    for name, path in of:
        wrong = _contradiction(_argument(arguments, path), told.get(name.lower()))
        if wrong:
            return mismatch(f"{name} {wrong}")
    return None


def _contradiction(value: object, header: str | None) -> str:
    text, number = _text(value), _whole(value)
    if text is None and number is not None:
        return "cannot carry an integer beyond 2^53 - 1, so the argument cannot be sent"
    if text is None:
        return "" if header is None else "repeats an argument that is not there"
    if header is None:
        return "is missing"
    decoded = decode_value(header)
    if decoded is None:
        return "is not encoded as a header value"
    told = _is_whole(decoded) if number is not None else None
    same = decoded == text if told is None else int(told[1]) == number
    return "" if same else "does not repeat its argument"


def _argument(arguments: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = arguments
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    return value  # pyright: ignore[reportUnknownVariableType] - parsed JSON


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    """Return the text that a header carries for an argument, None where it can carry none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    number = _whole(value)
    if number is not None:
        return str(number) if abs(number) <= _LARGEST else None
    return value if isinstance(value, str) else None


def name_header(method: str, params: Mapping[str, object]) -> str | None:
    """Return the value of `Mcp-Name` for a request that carries one, encoded for a header field."""
    member = _NAMED.get(method)
    value = params.get(member) if member is not None else None
    return encode_value(value) if isinstance(value, str) else None


def check_name(method: str, params: Mapping[str, object], header: str | None) -> Refusal | None:
    """Refuse an `Mcp-Name` that does not repeat what the request is about."""
    member = _NAMED.get(method)
    if member is None or (header is None and method in _MAY_BE_ABSENT):
        return None
    if header is None or decode_value(header) != params.get(member):
        return mismatch(f"Mcp-Name does not repeat params.{member}")
    return None


def encode_value(value: str) -> str:
    """Return `value` as a header field can carry it: as it is, or in base64 between two marks."""
    plain = value.isascii() and (value.isprintable() or not value) and value == value.strip()
    if plain and not value.startswith("=?"):
        return value
    return f"{_OPENS}{base64.b64encode(value.encode()).decode()}{_CLOSES}"


def decode_value(header: str) -> str | None:
    """Return the value that a header field carries, None where it is not one that `encode_value` could have written."""
    if not _is_field_value(header):
        return None
    if not (header.startswith(_OPENS) and header.endswith(_CLOSES) and len(header) >= len(_OPENS) + len(_CLOSES)):
        return header
    inner = header[len(_OPENS) : -len(_CLOSES)]
    try:
        raw = base64.b64decode(inner, validate=True)
        # Base64 has spellings that differ in bits which nobody reads; one value has one header.
        return raw.decode("utf-8") if base64.b64encode(raw).decode() == inner else None
    except ValueError:  # not base64, or not UTF-8 inside
        return None


def mismatch(what: str) -> Refusal:
    """Return the refusal of headers that contradict the body."""
    return Refusal(
        "invalid",
        (Reason.HEADER_MISMATCH,),
        f"The headers contradict the body: {what}. Repeat the body's values exactly.",
    )
