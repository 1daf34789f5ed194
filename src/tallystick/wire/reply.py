"""Reading what a server answers, without touching the payload."""

import json
import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from tallystick.terms import Reason, Refusal

_Code = Annotated[int, msgspec.Meta(ge=-(2**53) + 1, le=2**53 - 1)]
"""An error code as the record can keep it (RFC 8785 has no larger integers)."""


class _Incoming(msgspec.Struct):
    jsonrpc: Literal["2.0"]
    id: int | str | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _ResultHead(msgspec.Struct):
    isError: bool = False  # noqa: N815 - the protocol's spelling


class _ErrorHead(msgspec.Struct):
    code: _Code
    message: str = ""


class _Notice(msgspec.Struct, omit_defaults=True):
    jsonrpc: str
    method: str
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_read_incoming: Final = msgspec.json.Decoder(_Incoming).decode
_read_result: Final = msgspec.json.Decoder(_ResultHead).decode
_read_error: Final = msgspec.json.Decoder(_ErrorHead).decode
_write: Final = msgspec.json.Encoder().encode
_escaped_letter: Final = re.compile(rb"\\u00[4-7]", re.IGNORECASE).search


@dataclass(frozen=True, slots=True)
class Reply:
    """One message from a server.

    `kind`: `result`, `tool_error` (a result with `isError`), `rpc_error`, `notification` or `request` (server to
    client). `payload` is the exact bytes of the `result` or `error` member; of a notification or request, it is the
    whole message, framed anew so that nothing but a method and its parameters can travel in it. `id` is the id that
    the server gave.
    """

    kind: Literal["result", "tool_error", "rpc_error", "notification", "request"]
    id: int | str | None
    payload: bytes
    rpc_code: int | None = None
    method: str = ""


def read_reply(raw: bytes) -> Reply | Refusal:
    """Classify one JSON-RPC message from a server; anything else is a refusal with `Reason.UPSTREAM_BROKEN`."""
    try:
        # What is passed on unread is at least text: the decoder skips over members without looking at their encoding.
        raw.decode("utf-8")
        incoming = _read_incoming(raw)
        result, error = bytes(incoming.result), bytes(incoming.error)
        if incoming.method is not None:
            return _read_call(incoming, incoming.method) if not (result or error) else _broken("a method and its end")
        if result and not error:
            return Reply("tool_error" if _is_error(result) else "result", incoming.id, result)
        if error and not result:
            return Reply("rpc_error", incoming.id, error, _read_error(error).code)
    except (ValueError, RecursionError) as failure:  # msgspec's and Unicode's errors are ValueErrors
        return _broken(str(failure))
    return _broken("a response has one of result and error")


def _read_call(incoming: _Incoming, method: str) -> Reply:
    framed = _write(_Notice("2.0", method, incoming.params if bytes(incoming.params) else msgspec.UNSET))
    return Reply("notification" if incoming.id is None else "request", incoming.id, framed, None, method)


def _is_error(result: bytes) -> bool:
    # The client reads these bytes with another parser: were `isError` there twice, it could see another outcome than
    # the one on record. Only a text that can hold it twice pays for the slow reading.
    if result.count(b"isError") > 1 or _escaped_letter(result) is not None:
        members: object = json.loads(result, object_pairs_hook=list[tuple[str, object]])
        if isinstance(members, list) and _twice(members):  # pyright: ignore[reportUnknownArgumentType] - parsed JSON
            msg = "isError appears twice"
            raise ValueError(msg)
    return _read_result(result).isError


def _twice(members: list[tuple[str, object]]) -> bool:
    return sum(1 for name, _ in members if name == "isError") > 1


def _broken(detail: str) -> Refusal:
    return Refusal(
        "upstream",
        (Reason.UPSTREAM_BROKEN,),
        "The server answered something that is not MCP. Ask its owner; the call may have taken effect.",
        detail,
    )
