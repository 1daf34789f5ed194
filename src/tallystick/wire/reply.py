"""Reading what a server answers, without touching the payload."""

import json
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from tallystick.terms import Reason, Refusal
from tallystick.wire.message import MAX_CODE

_Code = Annotated[int, msgspec.Meta(ge=-MAX_CODE, le=MAX_CODE)]


class _Incoming(msgspec.Struct):
    jsonrpc: Literal["2.0"]
    id: int | str | None = None
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw()
    result: dict[str, msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw = msgspec.Raw()


class _ResultHead(msgspec.Struct):
    isError: bool = False  # noqa: N815 - the protocol's spelling
    resultType: str = ""  # noqa: N815 - the protocol's spelling


class _ErrorHead(msgspec.Struct):
    code: _Code
    message: str = ""


class _Notice(msgspec.Struct, omit_defaults=True):
    jsonrpc: str
    method: str
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Exact(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw()


_read_incoming: Final = msgspec.json.Decoder(_Incoming).decode
_read_exact: Final = msgspec.json.Decoder(_Exact).decode
_read_result: Final = msgspec.json.Decoder(_ResultHead).decode
_read_error: Final = msgspec.json.Decoder(_ErrorHead).decode
_write: Final = msgspec.json.Encoder().encode
_HEAD: Final = ("isError", "resultType")
_FLAT: Final = 200
"""Opening brackets up to which a message is read anywhere, however they are nested."""
_COUNTED: Final = 4 << 10
"""Bytes of a message up to which counting its brackets costs less than reading it as if it were nested."""
_RESERVE: Final = 200
"""Levels of the stack that whoever reads a part of a message again may be deeper in than who reads it here."""
_OPENED: Final = b"[" * _RESERVE + b"%b" + b"]" * _RESERVE
_NO_HEAD: Final = _ResultHead()


def _nested(kind: object, levels: int) -> object:
    for _ in range(levels):
        kind = list[kind]
    return kind


_read_nested: Final = msgspec.json.Decoder(_nested(_Incoming, _RESERVE)).decode


class Reply(NamedTuple):
    """One message from a server.

    `kind`: `result`, `tool_error` (a result with `isError`), `rpc_error`, `notification` or `request` (server to
    client). `payload` is the exact bytes of the `result` or `error` member; of a notification or request, it is the
    whole message, framed anew so that nothing but a method and its parameters can travel in it. `id` is the id that
    the server gave. `result_type` is the `resultType` of a result as it was written, empty where there is none, as from
    every server of a session era (MCP 2026-07-28, basic/index: it then means `complete`).
    """

    kind: Literal["result", "tool_error", "rpc_error", "notification", "request"]
    id: int | str | None
    payload: bytes
    rpc_code: int | None = None
    method: str = ""
    result_type: str = ""


def read_reply(raw: bytes) -> Reply | Refusal:
    """Classify one JSON-RPC message from a server; anything else is a refusal with `Reason.UPSTREAM_BROKEN`."""
    try:
        # What is passed on unread is at least text: the decoder skips over members without looking at their encoding.
        raw.decode("utf-8")
        # INVARIANT: what is read here is read by everybody behind it. How deeply a reader may go depends on how deep in
        # the stack it is called, so a message that only just could be read would fail somebody who shares a stream.
        is_flat = len(raw) <= _COUNTED and raw.count(b"[") + raw.count(b"{") <= _FLAT
        incoming = _read_incoming(raw) if is_flat else _read_deep(raw)
        members, error = incoming.result, bytes(incoming.error)
        if incoming.method is not None:
            is_call = members is msgspec.UNSET and not error
            return _read_call(incoming, incoming.method) if is_call else _broken("a method and its end")
        if members is not msgspec.UNSET and not error:
            result = _result(raw, members)
            head = _head(result, members)
            kind = "tool_error" if head.isError else "result"
            return Reply(kind, incoming.id, result, result_type=head.resultType)
        if error and members is msgspec.UNSET:
            return Reply("rpc_error", incoming.id, error, _read_error(error).code)
    except (ValueError, RecursionError) as failure:  # msgspec's and Unicode's errors are ValueErrors
        return _broken(str(failure))
    return _broken("a response has one of result and error")


def _read_call(incoming: _Incoming, method: str) -> Reply:
    framed = _write(_Notice("2.0", method, incoming.params if bytes(incoming.params) else msgspec.UNSET))
    return Reply("notification" if incoming.id is None else "request", incoming.id, framed, None, method)


def _read_deep(raw: bytes) -> _Incoming:
    """Read a message as somebody would who is called from deeper in the stack."""
    nested: object = _read_nested(_OPENED % raw)
    while isinstance(nested, list):
        nested = list[object](nested)[0]  # pyright: ignore[reportUnknownArgumentType] - lists in lists, as it was told
    if not isinstance(nested, _Incoming):
        message = "the decoder of nested messages gives messages"
        raise TypeError(message)
    return nested


def _result(raw: bytes, members: dict[str, msgspec.Raw]) -> bytes:
    """Return the exact bytes of the result in a message whose result has these members."""
    # Written as servers mostly write it, it is found by comparing: reading a result of 1 MiB once more takes 1.1 ms.
    written = _write(members)
    if raw.endswith(b'"result":%b}' % written) or raw.startswith(b'{"result":%b,' % written):
        return written
    return bytes(_read_exact(raw).result)


def _head(result: bytes, members: dict[str, msgspec.Raw]) -> _ResultHead:
    # The client reads these bytes with another parser: were one of these members there twice, it could see another
    # outcome than the one that was judged. Where writing the members again gives the same bytes, each is there once.
    if _write(members) == result:
        read = {name: members[name] for name in _HEAD if name in members}
        return _read_result(_write(read)) if read else _NO_HEAD
    pairs: object = json.loads(result, object_pairs_hook=list[tuple[str, object]])
    names = [name for name, _ in pairs] if isinstance(pairs, list) else []  # pyright: ignore[reportUnknownVariableType] - parsed JSON
    for name in _HEAD:
        if sum(1 for other in names if other == name) > 1:  # pyright: ignore[reportUnknownVariableType] - parsed JSON
            msg = f"{name} appears twice"
            raise ValueError(msg)
    return _read_result(result)


def _broken(detail: str) -> Refusal:
    return Refusal(
        "upstream",
        (Reason.UPSTREAM_BROKEN,),
        "The server answered something that is not MCP. Ask its owner; the call may have taken effect.",
        detail,
    )
