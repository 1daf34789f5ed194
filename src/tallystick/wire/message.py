"""Strict reading of one JSON-RPC 2.0 message (RFC 8259, JSON-RPC 2.0; MCP allows no batches).

What is judged is what is forwarded: the gateway sends on a re-encoding of the value parsed here, so every reading that
two parsers could disagree on (duplicate members, byte-order marks, members that differ in letter case only, NaN) is
refused. Integers keep every digit; other numbers mean IEEE 754 doubles (RFC 8259, section 6).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NoReturn, TypeGuard

from tallystick.terms import Reason, Refusal

MAX_DEPTH: Final = 64
"""Nesting that we accept, in levels; deeper values are only ever attacks on the next parser."""

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
PROGRESS_KEY: Final = "progressToken"


def _folded(*names: str) -> Mapping[str, str]:
    return {name: name.casefold() for name in names}


_ENVELOPE: Final = _folded("jsonrpc", "id", "method", "params", "result", "error")
_PARAMS: Final = _folded("name", "arguments", "uri", "_meta", "protocolVersion", "requestId")
_META: Final = _folded(VERSION_KEY, CAPABILITIES_KEY, PROGRESS_KEY)
"""The members that the gateway reads, and so judges by."""


@dataclass(frozen=True, slots=True)
class Message:
    """One parsed message. `params` is the caller's own object, never shared; a notification has no `id`."""

    kind: Literal["request", "notification", "response"]
    method: str
    id: int | str | None
    params: dict[str, object]

    @property
    def meta(self) -> Mapping[str, object]:
        """The `_meta` member of the parameters, empty when absent."""
        meta = self.params.get("_meta")
        return meta if is_object(meta) else {}

    @property
    def arguments(self) -> dict[str, object]:
        """The `arguments` member of the parameters, empty when absent; the parser made sure that it is an object."""
        arguments = self.params.get("arguments")
        return arguments if is_object(arguments) else {}


class _AmbiguousError(ValueError):
    """The text has no single meaning."""


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether a parsed JSON value is an object; its member names are strings by construction of the parser."""
    return isinstance(value, dict)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        msg = "a member name appears twice in one object"
        raise _AmbiguousError(msg)
    return value


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not a JSON number"
    raise _AmbiguousError(msg)


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0.0:
        msg = "a number is too large"
        raise _AmbiguousError(msg)
    return number


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite).decode


def parse(body: bytes) -> Message | Refusal:
    """Read one message from `body` (UTF-8, no byte-order mark).

    Returns a refusal with `Reason.MALFORMED` for anything that is not exactly one well-formed JSON-RPC message.
    """
    try:
        text = body.decode("utf-8")
        value: object = _decode(text)
    except _AmbiguousError as error:
        return _malformed(str(error))
    except RecursionError:
        return _malformed("the value is nested too deeply")
    except ValueError:
        return _malformed("the body is not JSON in UTF-8 without a byte-order mark")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _too_deep(value):
        return _malformed("the value is nested too deeply")
    if b"\\ud" in body or b"\\uD" in body:
        try:
            text = json.dumps(value, ensure_ascii=False)
            text.encode("utf-8")
        except UnicodeEncodeError:
            return _malformed("a string holds half of a surrogate pair")
    return _shape(value)


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(item: object) -> list[object]:
    if is_object(item):
        return list(item.values())
    return list[object](item) if isinstance(item, list) else []  # pyright: ignore[reportUnknownArgumentType] - JSON


def _shape(value: object) -> Message | Refusal:
    if not is_object(value) or value.get("jsonrpc") != "2.0":
        return _malformed('the body is not one JSON-RPC 2.0 object ("jsonrpc": "2.0"); batches are not part of MCP')
    if _has_case_variant(value, _ENVELOPE):
        return _malformed("a member differs from a JSON-RPC member in letter case only")
    identity = value.get("id")
    if "id" in value and (isinstance(identity, bool) or not isinstance(identity, int | str)):
        return _malformed("an id is a string or an integer")
    request_id = identity if isinstance(identity, int | str) else None
    if "method" not in value:
        return _shape_response(value, request_id)
    return _shape_call(value, request_id)


def _shape_response(value: dict[str, object], request_id: int | str | None) -> Message | Refusal:
    if request_id is None or ("result" in value) == ("error" in value):
        return _malformed("a message has a method, or an id and one of result and error")
    return Message("response", "", request_id, {})


def _shape_call(value: dict[str, object], request_id: int | str | None) -> Message | Refusal:
    method, params = value["method"], value.get("params", {})
    if not isinstance(method, str) or not _is_plain(method) or "result" in value or "error" in value:
        return _malformed("a method is a non-empty string of visible ASCII, and stands without result or error")
    if not is_object(params):
        return _malformed("params is an object")
    return _check_params(params) or Message(
        "notification" if request_id is None else "request", method, request_id, params
    )


def _check_params(params: dict[str, object]) -> Refusal | None:
    if _has_case_variant(params, _PARAMS):
        return _malformed("a parameter differs from an MCP parameter in letter case only")
    if not is_object(params.get("arguments", {})):
        return _malformed("arguments is an object")
    meta = params.get("_meta", {})
    if not is_object(meta):
        return _malformed("_meta is an object")
    if _has_case_variant(meta, _META):
        return _malformed("a member of _meta differs from an MCP member in letter case only")
    return None


def _is_plain(method: str) -> bool:
    # A method becomes a header towards the server, so it can never hold a line break.
    return method.isascii() and method.isprintable() and " " not in method and method != ""


def _has_case_variant(value: dict[str, object], known: Mapping[str, str]) -> bool:
    # `casefold` also catches the long s and the Kelvin sign, which some parsers fold into ASCII.
    return any(key not in known and key.casefold() in known.values() for key in value)


def _malformed(what: str) -> Refusal:
    return Refusal(
        "invalid", (Reason.MALFORMED,), f"The request was not understood: {what}. Send one JSON-RPC 2.0 request."
    )
