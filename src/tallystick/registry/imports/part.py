"""A place in what is imported, and the ledger of what became of each leaf.

# INVARIANT: when the ledger is closed, every leaf that was read is carried or below a `Left`, whatever an importer
forgot: what nobody has asked for is reported by itself.
"""

from collections.abc import Iterator
from typing import Final

from tallystick.registry.imports.model import Carried, Left, Reference
from tallystick.registry.imports.secrecy import token

_Path = tuple[str | int, ...]
_SAYS_NOTHING: Final = "Tallystick has no field for it"
_NOTHING_TO_DO: Final = "nothing, or note it in the server's purpose"


def pointer(path: _Path) -> str:
    """Return the JSON Pointer of a path. A key that is itself a credential is not repeated."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join("/(secret)" if token(step) else f"/{step}" for step in steps)


def _children(value: object) -> list[tuple[str | int, object]]:
    if isinstance(value, dict):
        return [(str(key), item) for key, item in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - parsed document
    return list(enumerate(value)) if isinstance(value, list) else []  # pyright: ignore[reportUnknownArgumentType] - parsed document


class Ledger:
    """What became of what was read, in the order in which it was decided."""

    __slots__ = ("_above", "_done", "carried", "left", "secrets")

    def __init__(self) -> None:
        self.carried: list[Carried] = []
        self.left: list[Left] = []
        self.secrets: list[Reference] = []
        self._done: set[_Path] = set()
        self._above: set[_Path] = set()  # every place that is, or is above, one of which something was decided

    def carry(self, path: _Path, to: str) -> None:
        """Note that the leaf (or all below it) went into a document."""
        self._decide(path)
        self.carried.append(Carried(pointer(path), to))

    def leave(self, path: _Path, what: str, why: str, remedy: str) -> None:
        """Note that the leaf (or all below it) stayed behind."""
        self._decide(path)
        self.left.append(Left(pointer(path), what, why, remedy))

    def note(self, path: _Path, what: str, why: str, remedy: str) -> None:
        """Say something of a place that is carried all the same."""
        self.left.append(Left(pointer(path), what, why, remedy))

    def asked(self, path: _Path) -> bool:
        """Tell whether something was decided of this place, or of one below it."""
        return path in self._above

    def close(self, whole: object) -> None:
        """Report what nothing has asked for: the highest place of which nothing was read."""
        self._close((), whole)

    def _decide(self, path: _Path) -> None:
        self._done.add(path)
        while path not in self._above:
            self._above.add(path)
            path = path[:-1]

    def _close(self, path: _Path, value: object) -> None:
        if path in self._done:
            return
        children = _children(value)
        if not children or (path and path not in self._above):
            self.leave(path, "is not carried over", _SAYS_NOTHING, _NOTHING_TO_DO)
            return
        for step, item in children:
            self._close((*path, step), item)


class Part:
    """One place. Asking for a value says where it goes; what is of another kind than asked for stays unread."""

    __slots__ = ("_value", "ledger", "path")

    def __init__(self, ledger: Ledger, path: _Path, value: object) -> None:
        self.ledger = ledger
        self.path = path
        self._value = value

    @property
    def key(self) -> str:
        """The last step to this place."""
        return str(self.path[-1]) if self.path else ""

    def peek(self, key: str) -> object:
        """Return what is at `key` without reading it (None: nothing)."""
        return self._value.get(key) if isinstance(self._value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - parsed

    def word(self, key: str) -> str:
        """Return the text at `key` without reading it ("": none, or something else)."""
        found = self.peek(key)
        return found if isinstance(found, str) else ""

    def has(self, key: str) -> bool:
        """Tell whether there is something at `key`, null apart."""
        return self.peek(key) is not None

    def whole(self) -> object:
        """Return the value here, unread."""
        return self._value

    def text(self, key: str, to: str) -> str:
        """Carry the text at `key` ("" if there is none). A credential in it keeps it from being carried anywhere."""
        value = self.peek(key)
        if not isinstance(value, str) or not value:
            return ""
        if token(value):
            self.leave(key, "holds what looks like a credential", "secrets stay out of documents", "write it without")
            return ""
        self.carry(key, to)
        return value

    def number(self, key: str) -> float | None:
        """Return the number at `key`, unread, or None."""
        value = self.peek(key)
        return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)

    def part(self, key: str) -> "Part":
        """Return the place at `key`, which may hold nothing."""
        return Part(self.ledger, (*self.path, key), self.peek(key))

    def parts(self) -> Iterator["Part"]:
        """Yield the places right below this one: a list's items or a mapping's values."""
        for step, item in _children(self._value):
            yield Part(self.ledger, (*self.path, step), item)

    def texts(self, key: str) -> tuple["Part", ...] | None:
        """Return the items of a list of texts, unread, or None if it is something else."""
        items = tuple(self.part(key).parts())
        is_texts = isinstance(self.peek(key), list) and all(isinstance(item.whole(), str) for item in items)
        return items if is_texts else None

    def string(self) -> str:
        """Return the text here, unread ("" for anything else)."""
        return self._value if isinstance(self._value, str) else ""

    def carry(self, key: str | None, to: str) -> None:
        """Note that what is at `key` (None: here) went to `to`, in whatever form."""
        self.ledger.carry(self.path if key is None else (*self.path, key), to)

    def leave(self, key: str | None, what: str, why: str, remedy: str) -> None:
        """Note that what is at `key` (None: here) stayed behind. Nothing there: nothing is said."""
        if key is None or self.has(key):
            self.ledger.leave(self.path if key is None else (*self.path, key), what, why, remedy)

    def note(self, what: str, why: str, remedy: str) -> None:
        """Say something of this place, which is carried all the same."""
        self.ledger.note(self.path, what, why, remedy)
