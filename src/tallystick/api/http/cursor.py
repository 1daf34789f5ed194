"""Opaque cursors: where a page ended, and of which question. Pure.

A cursor gives no right: whoever sends one is asked the same as without. It is bound to its question, so that a list
that goes on with other filters is refused instead of silently wrong.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final

import msgspec

from tallystick.api.http.problem import Trouble, trouble
from tallystick.terms import Reason

_MARK: Final = 8


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    question: str
    after: str


def write_cursor(question: msgspec.Struct, after: str) -> str:
    """Return the cursor of the page after `after`, in the list that `question` asks for."""
    raw = msgspec.json.encode(_Cursor(_digest(question), after))
    return urlsafe_b64encode(raw).decode().rstrip("=")


def read_cursor(question: msgspec.Struct, text: str) -> str | Trouble | None:
    """Return where the page before ended; None for no cursor."""
    if not text:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        cursor = msgspec.json.decode(raw, type=_Cursor)
    except (ValueError, UnicodeEncodeError, msgspec.MsgspecError):
        return _refused()
    return cursor.after if cursor.question == _digest(question) else _refused()


def revision_of(after: str | None, first: int) -> int | Trouble:
    """Return the revision after which a page begins; `first` without a cursor. Anybody may write a cursor."""
    if after is None:
        return first
    is_one = after.isascii() and after.isdigit() and len(after) < len(str(2**53))
    return int(after) if is_one else _refused()


def _digest(question: msgspec.Struct) -> str:
    members = msgspec.to_builtins(question)
    told = {name: value for name, value in members.items() if name not in {"cursor", "limit"}}
    return sha256(msgspec.json.encode([type(question).__name__, told], order="sorted")).hexdigest()[:_MARK]


def _refused() -> Trouble:
    return trouble("invalid", Reason.CURSOR_REFUSED, "The cursor is not one of this list. Start without a cursor.")
