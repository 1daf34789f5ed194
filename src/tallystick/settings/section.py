"""Reads one mapping of a parsed document field by field, collecting every problem instead of stopping at the first."""

import re
from collections.abc import Mapping
from typing import TypeVar

from tallystick.settings.problem import Problem

_MISSING = object()
_Default = TypeVar("_Default")
_Word = TypeVar("_Word", bound=str)


def as_mapping(value: object) -> Mapping[str, object] | None:
    """Return `value` if it is a mapping whose keys are all strings, else None."""
    if not isinstance(value, Mapping):
        return None
    mapping: dict[str, object] = {}
    for key, item in value.items():  # pyright: ignore[reportUnknownVariableType] - isinstance cannot know the parameters
        if not isinstance(key, str):
            return None
        mapping[key] = item
    return mapping


def as_texts(value: object) -> tuple[str, ...] | None:
    """Return `value` as a tuple if it is a list of strings, else None."""
    if not isinstance(value, list | tuple):
        return None
    texts = [item for item in value if isinstance(item, str)]  # pyright: ignore[reportUnknownVariableType] - see above
    return tuple(texts) if len(texts) == len(value) else None  # pyright: ignore[reportUnknownArgumentType] - see above


class Section:
    """One mapping at a place in a file. Every read marks its key as known; `close` reports the keys nobody read.

    A read that fails adds a `Problem` to the shared list and answers with the default (or an empty value), so that one
    pass over a document finds all of its faults.
    """

    __slots__ = ("_known", "_mapping", "field", "file", "problems")

    def __init__(self, file: str, mapping: Mapping[str, object], problems: list[Problem], field: str = "") -> None:
        self.file = file
        self.field = field
        self.problems = problems
        self._mapping = mapping
        self._known: set[str] = set()

    @property
    def stem(self) -> str:
        """Return the file's name without folder and suffix."""
        return self.file.rpartition("/")[2].rpartition(".")[0]

    def place(self, key: str) -> str:
        """Return the dotted place of `key`."""
        return f"{self.field}.{key}" if self.field else key

    def fault(self, key: str, what: str, remedy: str) -> None:
        """Add a problem at `key`."""
        self.problems.append(Problem(self.file, self.place(key), what, remedy))

    def has(self, key: str) -> bool:
        """Return whether `key` is present and not null."""
        self._known.add(key)
        return self._mapping.get(key) is not None

    def holds_text(self, key: str) -> bool:
        """Return whether a text stands at `key`, where a mapping may stand too."""
        return isinstance(self._mapping.get(key), str)

    def text(self, key: str, default: str | None = None, pattern: str | None = None) -> str:
        """Return a string; `default` None: the key is required; `pattern`: a regular expression for all of it."""
        value = self._take(key, default)
        if not isinstance(value, str):
            return self._wrong(key, value, "a text", default or "")
        is_absent = value == default == ""
        if pattern is not None and not is_absent and re.fullmatch(pattern, value) is None:
            self.fault(key, f'"{value}" is not an allowed value', f"write something that matches {pattern}")
        return value

    def choice(self, key: str, allowed: tuple[_Word, ...], fallback: _Word) -> _Word:
        """Return one of the `allowed` words; the key is required, `fallback` stands in for a faulty one."""
        value = self.text(key)
        for word in allowed:
            if word == value:
                return word
        if value or self.holds_text(key):
            self.problems.append(Problem.unknown((self.file, self.place(key)), "value", value, allowed))
        return fallback

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """Return a whole number between `low` and `high`, both included."""
        value = self._take(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return self._wrong(key, value, "a whole number", default)
        return value if self._within(key, value, low, high) else default

    def seconds(self, key: str, default: float, low: float, high: float) -> float:
        """Return a number of seconds between `low` and `high`, both included."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong(key, value, "a number of seconds", default)
        return float(value) if self._within(key, value, low, high) else default

    def number(self, key: str, low: float, high: float) -> float:
        """Return a number between `low` and `high`, both included; the key is required."""
        value = self._take(key, None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong(key, value, "a number", low)
        return float(value) if self._within(key, value, low, high) else low

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._take(key, default)
        return value if isinstance(value, bool) else self._wrong(key, value, "true or false", default)

    def texts(self, key: str, default: tuple[str, ...] | None = ()) -> tuple[str, ...]:
        """Return a list of strings as a tuple; `default` None makes the key required."""
        value = self._take(key, default)
        texts = as_texts(value)
        return texts if texts is not None else self._wrong(key, value, "a list of texts", default or ())

    def section(self, key: str) -> "Section":
        """Return the nested mapping at `key`; an absent one is empty."""
        empty: Mapping[str, object] = {}
        value = self._take(key, empty)
        mapping = as_mapping(value)
        if mapping is None:
            mapping = self._wrong(key, value, "a mapping", empty)
        return Section(self.file, mapping, self.problems, self.place(key))

    def sections(self, key: str) -> dict[str, "Section"]:
        """Return a mapping of name to nested section."""
        outer = self.section(key)
        return {name: outer.section(name) for name in outer.keys()}  # noqa: SIM118 - not a dict

    def listed(self, key: str) -> list["Section"]:
        """Return a list of nested mappings."""
        value = self._take(key, [])
        if not isinstance(value, list):
            return self._wrong(key, value, "a list", [])
        found: list[Section] = []
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - parsed document
            mapping = as_mapping(item)  # pyright: ignore[reportUnknownArgumentType] - parsed document
            if mapping is None:
                self.fault(f"{key}[{index}]", "is not a mapping", "write it as `name: value` lines")
            else:
                found.append(Section(self.file, mapping, self.problems, self.place(f"{key}[{index}]")))
        return found

    def mapping(self, key: str) -> Mapping[str, object]:
        """Return the free mapping at `key`, unread; an absent one is empty."""
        return self.section(key).whole()

    def whole(self) -> Mapping[str, object]:
        """Return everything in this section, unread."""
        self._known.update(self._mapping)
        return self._mapping

    def keys(self) -> tuple[str, ...]:
        """Return the names present, in the order of the document."""
        return tuple(self._mapping)

    def close(self) -> None:
        """Report each key that nothing has read, with the nearest one that would have been."""
        for key in self._mapping:
            if key not in self._known:
                self.problems.append(Problem.unknown((self.file, self.place(key)), "setting", key, self._known))

    def _take(self, key: str, default: object) -> object:
        self._known.add(key)
        value = self._mapping.get(key)
        if value is not None:
            return value
        return _MISSING if default is None else default

    def _within(self, key: str, value: float, low: float, high: float) -> bool:
        if low <= value <= high:
            return True
        self.fault(key, f"{value} is out of range", f"choose {low} to {high}")
        return False

    def _wrong(self, key: str, value: object, expected: str, default: _Default) -> _Default:
        if value is _MISSING:
            self.fault(key, "is missing", f"add {expected}")
        else:
            self.fault(key, f"is not {expected}", f"write {expected} here")
        return default
