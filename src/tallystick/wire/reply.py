"""Reading what a server answers, without touching the payload."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from tallystick.terms import Reason, Refusal


class _Incoming(msgspec.Struct):
    jsonrpc: str
    id: int | str | None = None
    method: str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _ResultHead(msgspec.Struct):
    isError: bool = False  # noqa: N815 - the protocol's spelling
    resultType: str = "complete"  # noqa: N815 - the protocol's spelling


class _ErrorHead(msgspec.Struct):
    code: int
    message: str = ""


_read_incoming: Final = msgspec.json.Decoder(_Incoming).decode
_read_result: Final = msgspec.json.Decoder(_ResultHead).decode
_read_error: Final = msgspec.json.Decoder(_ErrorHead).decode


@dataclass(frozen=True, slots=True)
class Reply:
    """One message from a server.

    `kind`: `result`, `tool_error` (a result with `isError`), `rpc_error`, `notification` or `request` (server to client).
    `payload` is the exact bytes of the `result` or `error` member; `id` is the id that the server answered.
    """

    kind: Literal["result", "tool_error", "rpc_error", "notification", "request"]
    id: int | str | None
    payload: bytes
    rpc_code: int | None = None
    method: str = ""


def read_reply(raw: bytes) -> Reply | Refusal:
    """Classify one JSON-RPC message from a server; anything else is a refusal with `Reason.UPSTREAM_BROKEN`."""
    try:
        incoming = _read_incoming(raw)
        if incoming.method is not None:
            return Reply("notification" if incoming.id is None else "request", incoming.id, raw, None, incoming.method)
        result, error = bytes(incoming.result), bytes(incoming.error)
        if result and not error:
            return Reply("tool_error" if _read_result(result).isError else "result", incoming.id, result)
        if error and not result:
            return Reply("rpc_error", incoming.id, error, _read_error(error).code)
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        return _broken(str(failure))
    return _broken("a response has one of result and error")


def _broken(detail: str) -> Refusal:
    return Refusal(
        "upstream",
        (Reason.UPSTREAM_BROKEN,),
        "The server answered something that is not MCP. Ask its owner; the call may have taken effect.",
        detail,
    )
