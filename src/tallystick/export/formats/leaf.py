"""A leaf as it comes out of the log: what no SIEM can carry is replaced, what policy masks is masked.

Pure. The leaf itself stays the proof; an event only names it (origin, index, leaf hash).
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, NamedTuple, TypeGuard

Event = dict[str, object]
"""One OCSF event, ready for JSON."""
Part = Literal["person", "groups", "session", "words"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a log.

    `about` is the leaf that this one refers to, where the reader knows it: the intent of an outcome or of a call in
    doubt, the call that an approval is for, the heartbeat before a heartbeat. Both are the exact bytes of the log.
    """

    origin: str
    index: int
    leaf: bytes
    about: bytes | None = None


class Skipped(NamedTuple):
    """Why a leaf gives no event. `poison`: it should have given one, so keep it aside with its origin and index."""

    why: str
    poison: bool = False


class Masking(NamedTuple):
    """Parts of an event that leave under a pseudonym: `masked:` and 32 hex digits of HMAC-SHA-256(key, text).

    The same text gives the same pseudonym, so a SIEM can still count and join. person: people and operators; groups:
    their groups; session: ids of sessions; words: reasons that people typed.
    """

    parts: frozenset[Part]
    key: bytes

    def __call__(self, part: Part, text: str) -> str:
        """Return the text, or its pseudonym if its part is masked."""
        if part not in self.parts or not text:
            return text
        return "masked:" + hmac.digest(self.key, f"{part}\n{text}".encode(), "sha256").hex()[:32]


OPEN: Final = Masking(frozenset(), b"")
"""Masks nothing."""


class Leaf:
    """Fields of a leaf, or of an object in one. A field of another type than asked for reads as absent."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, object]) -> None:
        self.fields = fields

    def text(self, name: str) -> str:
        """Text of a field, empty where absent."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Texts of a list, empty where absent."""
        value = self.fields.get(name)
        return [item for item in value if isinstance(item, str)] if is_list(value) else []

    def number(self, name: str) -> int | None:
        """Integer of a field, None where absent."""
        value = self.fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def inner(self, name: str) -> "Leaf":
        """Object of a field, empty where absent."""
        value = self.fields.get(name)
        return Leaf(value if is_object(value) else {})

    def inners(self, name: str) -> list["Leaf"]:
        """Objects of a list, empty where absent."""
        value = self.fields.get(name)
        return [Leaf(item) for item in value if is_object(item)] if is_list(value) else []


def read(leaf: bytes) -> Leaf | None:
    """Fields of a leaf; None if these bytes are no JSON object."""
    try:
        found: object = json.loads(leaf)
    except (ValueError, RecursionError):
        return None
    # Only escapes can smuggle these in: UTF-8 has no surrogates, and JSON no raw NUL.
    if b"\\ud" in leaf.lower() or b"\\u0000" in leaf:
        found = _clean(found)
    return Leaf(found) if is_object(found) else None


def _clean(value: object) -> object:
    """Replace by U+FFFD what breaks a store or a parser on the way: lone surrogates and NUL."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")
    if is_list(value):
        return [_clean(item) for item in value]
    if is_object(value):
        return {str(_clean(name)): _clean(item) for name, item in value.items()}
    return value


_MASKABLE: Final[Mapping[str, Part]] = {
    "operator": "person",
    # Of a sign-in or a token; elsewhere it is a keyed reference already.
    "subject": "person",
    "session": "session",
    "why": "words",
    "comment": "words",
    "matter": "words",
    "basis": "words",
}


def masked(leaf: Leaf, masking: Masking) -> Leaf:
    """Return the leaf with the parts that policy masks under their pseudonyms."""
    if not masking.parts:
        return leaf
    fields = dict(leaf.fields)
    for name, part in _MASKABLE.items():
        if name == "subject" and leaf.text("kind") not in {"login", "token"}:
            continue
        if isinstance(fields.get(name), str):
            fields[name] = masking(part, leaf.text(name))
    if is_object(fields.get("caller")):
        caller = leaf.inner("caller")
        known = dict(caller.fields)
        if caller.text("kind") != "agent":
            known["subject"] = masking("person", caller.text("subject"))
        known["groups"] = [masking("groups", group) for group in caller.texts("groups")]
        fields["caller"] = known
    return Leaf(fields)


def event_id(origin: str, index: int) -> str:
    """Id of the event of a leaf, the same each time it is exported: SIEMs drop repeats by it."""
    return sha256(f"{origin}\n{index}".encode("utf-8", "replace")).hexdigest()[:32]


def leaf_hash(leaf: bytes) -> str:
    """RFC 6962, section 2.1, in hex: what finds and proves the leaf in the log."""
    return sha256(b"\0" + leaf).hexdigest()


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[str, ...]:
    # The tables of the formats ask for the same paths for every event.
    return tuple(path.split("."))


def at(event: Mapping[str, object], path: str) -> object:
    """Value at a dotted path (`actor.user.uid`, `resources.0.uid`), None where there is none."""
    value: object = event
    for step in _steps(path):
        if is_object(value):
            value = value.get(step)
        elif is_list(value) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Tell whether a JSON value is an array."""
    return isinstance(value, list)
