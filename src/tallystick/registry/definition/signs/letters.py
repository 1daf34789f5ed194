"""Letters that a reader does not see, or sees in another order than a model reads them.

Sources: Unicode 16, chapters 23.2 to 23.9 (layout controls, variation selectors, tag characters); UTS 39, section 5.4.
"""

import unicodedata
from collections.abc import Iterator
from typing import Final

from tallystick.registry.definition.model import Severity
from tallystick.registry.definition.signs.model import Sign

_BLOCKS: Final[tuple[tuple[int, int, str, Severity, str], ...]] = (
    (0xE0000, 0xE007F, "tag_letters", "critical", "tag letters, which spell text that nobody sees"),
    (0x202A, 0x202E, "bidi_control", "critical", "controls of writing direction, which reorder what is shown"),
    (0x2066, 0x2069, "bidi_control", "critical", "controls of writing direction, which reorder what is shown"),
    (0x200E, 0x200F, "bidi_control", "high", "marks of writing direction"),
    (0x061C, 0x061C, "bidi_control", "high", "marks of writing direction"),
    (0xFE00, 0xFE0F, "variation_selector", "medium", "variation selectors, which can carry hidden bytes"),
    (0xE0100, 0xE01EF, "variation_selector", "critical", "variation selectors, which can carry hidden bytes"),
    (0x180B, 0x180F, "variation_selector", "high", "variation selectors, which can carry hidden bytes"),
    (0x200B, 0x200D, "zero_width", "high", "letters without width"),
    (0x2060, 0x2064, "zero_width", "high", "letters without width"),
    (0xFEFF, 0xFEFF, "zero_width", "high", "letters without width"),
    (0x00AD, 0x00AD, "zero_width", "medium", "letters without width"),
    (0x034F, 0x034F, "zero_width", "high", "letters without width"),
    (0x115F, 0x1160, "zero_width", "high", "letters that are drawn as blanks"),
    (0x3164, 0x3164, "zero_width", "high", "letters that are drawn as blanks"),
    (0xFFA0, 0xFFA0, "zero_width", "high", "letters that are drawn as blanks"),
    (0xFFF9, 0xFFFB, "zero_width", "high", "controls of annotation"),
)
_WHITE: Final = "\t\n\r"
_MOST: Final = 8
"""Places that are told of one kind."""


def find_letters(text: str) -> Iterator[Sign]:
    """Yield one sign for each kind of letter that does not show, with code points, offsets, and what tags spell."""
    if text.isascii() and text.isprintable():
        return
    found: dict[tuple[str, Severity, str], list[tuple[int, str]]] = {}
    for offset, letter in enumerate(text):
        kind = _kind(letter)
        if kind is not None and not _is_of_a_picture(text, offset):
            found.setdefault(kind, []).append((offset, letter))
    for (code, severity, what), places in found.items():
        shown = ", ".join(f"U+{ord(letter):04X} at {offset}" for offset, letter in places[:_MOST])
        more = f" and {len(places) - _MOST} more" if len(places) > _MOST else ""
        spelt = _spelt(places) if code == "tag_letters" else ""
        yield Sign(code, severity, f"holds {what}: {shown}{more}{spelt}")


def _kind(letter: str) -> tuple[str, Severity, str] | None:
    point = ord(letter)
    if point < 0x7F:  # noqa: PLR2004 - ASCII
        return ("control", "high", "control characters") if point < 0x20 and letter not in _WHITE else None  # noqa: PLR2004 - as above
    for first, last, code, severity, what in _BLOCKS:
        if first <= point <= last:
            return code, severity, what
    category = unicodedata.category(letter)
    if category in ("Cc", "Cf"):
        return "control", "high", "control characters"
    return ("private_letter", "medium", "letters of private use") if category == "Co" else None


def _is_of_a_picture(text: str, offset: int) -> bool:
    """Whether it is the selector or joiner of an emoji, as pictures in descriptions usually have."""
    before = text[offset - 1] if offset else ""
    return text[offset] in "\ufe0f\u200d" and bool(before) and unicodedata.category(before) in ("So", "Sk", "Mn")


def _spelt(places: list[tuple[int, str]]) -> str:
    letters = "".join(chr(ord(letter) - 0xE0000) for _, letter in places)
    spelt = "".join(letter for letter in letters if letter.isprintable())[:200]
    return f'; they spell "{spelt}"' if spelt else ""
