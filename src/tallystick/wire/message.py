"""Strict reading of one JSON-RPC 2.0 message (RFC 8259, JSON-RPC 2.0; MCP allows no batches).

What is judged is what is forwarded: the gateway sends on a re-encoding of the value parsed here, so every reading that
two parsers could disagree on (duplicate members, byte-order marks, members that differ in letter case only, NaN) is
refused. Integers keep every digit; other numbers mean IEEE 754 doubles (RFC 8259, section 6).
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeGuard

import msgspec

from tallystick.terms import Reason, Refusal, strict_json
from tallystick.wire import encode

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
CLIENT_KEY: Final = "io.modelcontextprotocol/clientInfo"
LOG_LEVEL_KEY: Final = "io.modelcontextprotocol/logLevel"
PROGRESS_KEY: Final = "progressToken"


MAX_CODE: Final = 2**53 - 1
"""The largest error code that the record can keep (RFC 8785 has no larger integers)."""


class _Known(NamedTuple):
    names: frozenset[str]
    folded: frozenset[str]


def _folded(*names: str) -> _Known:
    return _Known(frozenset(names), frozenset(name.casefold() for name in names))


_ENVELOPE: Final = _folded("jsonrpc", "id", "method", "params", "result", "error")
_PARAMS: Final = _folded(
    *("name", "arguments", "uri", "_meta", "protocolVersion", "requestId", "capabilities", "clientInfo", "level"),
    *("cursor", "requestState", "inputResponses", "notifications", "taskId"),
)
_META: Final = _folded(VERSION_KEY, CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY, PROGRESS_KEY)
"""The members that the gateway reads, and so judges by."""


class Message(NamedTuple):
    """One parsed message. `params` is the caller's own object, never shared; a notification has no `id`.

    Of a response, `payload` is the canonical bytes of its `result` member, or of its `error` member where `rpc_code`
    (the error's code) is not None.
    """

    kind: Literal["request", "notification", "response"]
    method: str
    id: int | str | None
    params: dict[str, object]
    payload: bytes = b""
    rpc_code: int | None = None

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


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether a parsed JSON value is an object; its member names are strings by construction of the parser."""
    return isinstance(value, dict)


_decode: Final = msgspec.json.Decoder().decode


def parse(body: bytes) -> Message | Refusal:
    """Read one message from `body` (UTF-8, no byte-order mark).

    Returns a refusal with `Reason.MALFORMED` for anything that is not exactly one well-formed JSON-RPC message.
    """
    try:
        value: object = _decode(body)
        # INVARIANT: a text that is what we would write ourselves has one reading. A member that came twice, an odd
        # spelling of a number or of a letter, or a byte between the values would be missing from what we write.
        if encode.value(value) == body and not strict_json.may_hold_huge_integers(body):
            if strict_json.nests_too_deeply(body, value):
                return _malformed("the value is nested too deeply")
            return _shape(value)
    except (ValueError, RecursionError):
        pass  # the careful reading below says what is wrong
    return parse_carefully(body)


def parse_carefully(body: bytes) -> Message | Refusal:
    """Read one message as `parse` does: slowly, in every unambiguous spelling, and able to say what is wrong."""
    try:
        return _shape(strict_json.read(body))
    except strict_json.AmbiguousError as error:
        return _malformed(f"the body is refused: {error}")
    except ValueError:
        return _malformed("the body is not JSON in UTF-8 without a byte-order mark")


def _shape(value: object) -> Message | Refusal:
    if not is_object(value) or value.get("jsonrpc") != "2.0":
        return _malformed('the body is not one JSON-RPC 2.0 object ("jsonrpc": "2.0"); batches are not part of MCP')
    if _has_case_variant(value, _ENVELOPE):
        return _malformed("a member differs from a JSON-RPC member in letter case only")
    identity = value.get("id")
    request_id = identity if type(identity) is int or type(identity) is str else None  # `true` is no integer here
    if request_id is None and "id" in value:
        return _malformed("an id is a string or an integer")
    if "method" not in value:
        return _shape_response(value, request_id)
    return _shape_call(value, request_id)


def _shape_response(value: dict[str, object], request_id: int | str | None) -> Message | Refusal:
    if request_id is None or ("result" in value) == ("error" in value):
        return _malformed("a message has a method, or an id and one of result and error")
    if "params" in value:
        return _malformed("a response has no params")
    return _shape_end(value, request_id)


def _shape_end(value: dict[str, object], request_id: int | str) -> Message | Refusal:
    if "result" in value:
        result = value["result"]
        if not is_object(result):
            return _malformed("a result is an object")
        return Message("response", "", request_id, {}, encode.value(result))
    error = value["error"]
    code = error.get("code") if is_object(error) else None
    if (
        not is_object(error)
        or type(code) is not int
        or abs(code) > MAX_CODE
        or not isinstance(error.get("message"), str)
    ):
        return _malformed("an error is an object with a code and a message")
    return Message("response", "", request_id, {}, encode.value(error), code)


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


def _has_case_variant(value: dict[str, object], known: _Known) -> bool:
    # `casefold` also catches the long s and the Kelvin sign, which some parsers fold into ASCII.
    if known.names.issuperset(value):
        return False
    return any(name not in known.names and name.casefold() in known.folded for name in value)


def _malformed(what: str) -> Refusal:
    return Refusal(
        "invalid", (Reason.MALFORMED,), f"The request was not understood: {what}. Send one JSON-RPC 2.0 request."
    )
