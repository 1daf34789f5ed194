"""Receipts: a reply that carries the leaf of its own outcome, and the proof that the log holds it."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import msgspec

from tallystick.audit import Unwritable
from tallystick.terms import Reason
from tallystick.wire import Reply, encode

RECEIPT: Final = "tallystick.dev/receipt"
"""In `_meta` of a request: whether one is wanted. In `_meta` of the result (in `data` of an error): the receipt."""

_Members = dict[str, msgspec.Raw]
_read: Final = msgspec.json.Decoder(_Members).decode


async def with_receipt(
    reply: Reply, leaf: bytes, index: int, prove: Callable[[], Awaitable[str]], patience_s: float
) -> Reply:
    """Return a reply with its receipt. It stands beside what the record commits to, and is no part of that.

    Where there is no proof in time, the reason stands in its place: the call was made and is on record all the same.
    """
    said: dict[str, object] = {"error": Reason.RECORD_NOT_WITNESSED}
    try:
        with anyio.fail_after(patience_s):
            said = {"leaf": leaf.decode(), "index": index, "proof": await prove()}
    except Unwritable:
        said = {"error": Reason.RECORD_UNWRITABLE}
    except TimeoutError:
        pass  # as said above
    return reply._replace(payload=_beside(reply, said))


def _beside(reply: Reply, said: dict[str, object]) -> bytes:
    place = "data" if reply.kind == "rpc_error" else "_meta"
    members = _read(reply.payload)
    around = members.get(place, msgspec.Raw(b"{}"))
    # A server's error may hold anything as its data; what is no object has no room for a receipt.
    if not bytes(around).lstrip().startswith(b"{"):
        return reply.payload
    inner: dict[str, object] = {**_read(around), RECEIPT: said}
    return encode.value({**members, place: inner})
