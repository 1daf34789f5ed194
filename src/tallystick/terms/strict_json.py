"""Reading JSON that can only be read in one way (RFC 8259; RFC 7493, I-JSON, sections 2.1 to 2.3).

Two parsers must never see two values in one text: duplicate members, a byte-order mark, NaN, numbers beyond a double
and halves of surrogate pairs are refused, and so is nesting that the next parser may not survive. Integers keep every
digit.
"""

import json
from typing import Final, NoReturn

MAX_DEPTH: Final = 64
"""Nesting that is accepted, in levels of objects and lists; real tool schemas stay under 20."""

_BOM: Final = b"\xef\xbb\xbf"


class AmbiguousError(ValueError):
    """JSON to some parser, but without a single meaning. The message is ASCII and quotes 40 letters at most."""


def read(raw: bytes) -> object:
    """Return the value that `raw` (UTF-8) holds.

    Raises AmbiguousError for what could be read in two ways, and ValueError for what is no JSON or no UTF-8.
    """
    if raw.startswith(_BOM):
        _refuse("starts with a byte-order mark (BOM)")
    try:
        value: object = _decode(raw.decode("utf-8"))
    except RecursionError:
        _refuse("nests too deeply")
    if nests_too_deeply(raw, value):
        _refuse("nests too deeply")
    if b"\\ud" in raw or b"\\uD" in raw:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            _refuse("a string holds half of a surrogate pair")
    return value


def nests_too_deeply(raw: bytes, value: object) -> bool:
    """Tell whether `value`, read from `raw`, has more than MAX_DEPTH levels."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(item: object) -> list[object]:
    if isinstance(item, dict):
        return list[object](item.values())  # pyright: ignore[reportUnknownArgumentType] - JSON
    return list[object](item) if isinstance(item, list) else []  # pyright: ignore[reportUnknownArgumentType] - JSON


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        unseen = dict(members)
        twice = next(name for name, _ in pairs if unseen.pop(name, pairs) is pairs)
        _refuse(f"the key {json.dumps(twice[:40])} is written twice")
    return members


def _no_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0.0:
        _refuse("a number is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > _DOUBLE_DIGITS:
        _finite(text)  # beyond a double, one parser reads the digits, another infinity
    return int(text)


def _refuse(what: str) -> NoReturn:
    raise AmbiguousError(what)


_DOUBLE_DIGITS: Final = 308
"""Digits that every double has room for."""

_decode: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole
).decode


def may_hold_huge_integers(raw: bytes) -> bool:
    """Tell whether a text may hold an integer beyond a double. Quick; says yes to some texts that hold none."""
    # A run of 309 digits covers one of these aligned blocks whole.
    block = _DOUBLE_DIGITS // 2
    return len(raw) > _DOUBLE_DIGITS and any(raw[at : at + block].isdigit() for at in range(0, len(raw), block))
