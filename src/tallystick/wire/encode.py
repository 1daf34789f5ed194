"""Writing: every byte that leaves as MCP is made here, from parsed values or around payloads passed on exactly."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from tallystick.terms import Reason, Refusal
from tallystick.wire.eras import ERAS, Era
from tallystick.wire.refuse import STATUSES, tell

REQUESTED: Final = 64
"""Characters of a version that is repeated to whoever asked for it."""

_CORRECTABLE: Final = frozenset({Reason.ARGUMENTS_INVALID, Reason.CONTEXT_REQUIRED})
"""What a model can put right by itself, once it sees what was wrong (SEP-1303)."""

value: Final = msgspec.json.Encoder().encode
"""Encode a parsed JSON value; never writes a raw line break."""


def message(request_id: int | str, member: Literal["result", "error"], payload: bytes) -> bytes:
    """Return a response to the client's own id around the exact `payload` bytes."""
    return b'{"jsonrpc":"2.0","id":%b,"%b":%b}' % (value(request_id), member.encode(), payload)


def request(request_id: int | str | None, method: str, params: Mapping[str, object]) -> bytes:
    """Return the canonical bytes of a request (or of a notification, where `request_id` is None) for a server."""
    body: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
    if request_id is not None:
        body["id"] = request_id
    return value(body)


def event(text: bytes) -> bytes:
    """Frame one JSON-RPC message as a server-sent event (WHATWG HTML, section 9.2)."""
    return b"event: message\r\n%b\r\n\r\n" % b"\r\n".join(b"data: " + line for line in text.splitlines())


def refusal(
    refused: Refusal,
    request_id: int | str | None,
    era: Era | None,
    record: int | None = None,
    requested: str | None = None,
) -> tuple[int, bytes]:
    """Return the HTTP status and the JSON-RPC error for a refusal.

    `record` is the index of the leaf that recorded it, for the caller to quote; `requested` the protocol version that
    the request named. The operator's detail never leaves.
    A session era has no word for "method unknown" in HTTP (2025-11-25, transports), so its status is 200.
    """
    code, status = tell(refused)
    if Reason.METHOD_UNKNOWN in refused.reasons and era is not None and era.sessions:
        status = 200
    told = _told(refused, record)
    if request_id is not None and era is not None and era.corrects and not _CORRECTABLE.isdisjoint(refused.reasons):
        return 200, message(request_id, "result", value(_failed(refused, told, era)))
    if Reason.VERSION_UNSUPPORTED in refused.reasons:
        told |= {"supported": list(ERAS), "requested": (requested or "")[:REQUESTED]}
    error = {"code": code, "message": refused.public_text, "data": told}
    return status, value({"jsonrpc": "2.0", "id": request_id, "error": error})


def _told(refused: Refusal, record: int | None) -> dict[str, object]:
    reasons: dict[str, object] = {"tallystick.dev/reasons": [str(reason) for reason in refused.reasons]}
    return reasons if record is None else {**reasons, "tallystick.dev/record": record}


def _failed(refused: Refusal, told: dict[str, object], era: Era) -> dict[str, object]:
    """Return the refusal of arguments as the result of a tool that failed, which models get to see."""
    content = [{"type": "text", "text": refused.public_text}]
    failed: dict[str, object] = {"content": content, "isError": True, "_meta": told}
    return failed if era.sessions else {"resultType": "complete", **failed}


def status_of(code: int, era: Era) -> int:
    """Return the HTTP status under which a server's JSON-RPC error is relayed; a session era knows only 200."""
    return 200 if era.sessions else STATUSES.get(code, 200)
