"""Rows that say which part of an OCSF event goes into which field, and texts made harmless. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tallystick.export.formats.leaf import at, is_list, is_object

VENDOR: Final = "Tallystick"
PRODUCT: Final = "Tallystick"
FORM: Final = "1"
"""Version of our mappings, where a format asks for that of the device."""

# Controls (C0, C1), line and paragraph separators, and what turns the reading direction around.
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_UNSEEN_BUT_NEWLINES: Final = re.compile(_UNSEEN.pattern.replace("\x00-\x1f", "\x00-\x09\x0b\x0c\x0e-\x1f"))

CALLER: Final = ("actor.user.uid", "evidences.0.actor.user.uid", "user.uid")
AGENT: Final = ("actor.app_uid", "evidences.0.actor.app_uid")
CLIENT: Final = ("actor.app_name", "evidences.0.actor.app_name", "src_endpoint.name")


class Row(NamedTuple):
    """One field of a format: the first of the OCSF paths that has a value fills it."""

    target: str
    paths: tuple[str, ...]
    says: str


def text_at(event: Mapping[str, object], paths: Sequence[str]) -> str:
    """Text of the first path that has a value: lists joined by commas, objects as JSON."""
    return as_text(value_at(event, paths))


def value_at(event: Mapping[str, object], paths: Sequence[str]) -> object:
    """Value of the first path that has one, else None."""
    for path in paths:
        value = at(event, path)
        if value is not None and value != "":
            return value
    return None


def as_text(value: object) -> str:
    """Text of a JSON value."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if is_list(value):
        return ", ".join(as_text(item) for item in value)
    return dump(value) if is_object(value) else json.dumps(value)


def integer_at(event: Mapping[str, object], path: str) -> int:
    """Integer at a path, 0 where there is none."""
    value = at(event, path)
    return value if isinstance(value, int) else 0


def dump(value: object) -> str:
    """JSON on one line and in ASCII: no character of a name can end a line or turn one around on a screen."""
    return json.dumps(value, separators=(",", ":"))


def harmless(text: str, most: int, *, newlines: bool = False) -> str:
    """Cut a text, and put U+FFFD for what nobody sees; newlines stay where the format can escape them."""
    kept = text if len(text) <= most else f"{text[: most - 1]}\u2026"
    return (_UNSEEN_BUT_NEWLINES if newlines else _UNSEEN).sub("\ufffd", kept)
