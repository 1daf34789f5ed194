"""Names that look like other names, by a skeleton: two names with one skeleton are told apart by no reader.

After UTS 39, section 4 (skeleton), with a small table: names of tools are meant to be ASCII (MCP 2026-07-28,
server/tools), so it holds what is drawn like a letter or digit of ASCII, and no more.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tallystick.registry.definition.signs.model import Sign
from tallystick.terms import ServerId

_DRAWN: Final = {
    "a": "\u0430\u03b1\u0251\u237a",
    "b": "\u044c\u0185\u0432",
    "c": "\u0441\u03f2\u1d04\u217d",
    "d": "\u0501\u217e",
    "e": "\u0435\u212e\u04bd",
    "g": "\u0261\u0581",
    "h": "\u04bb\u0570",
    "i": "\u0456\u03b9\u0131\u04cf\u2170|!",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba\u1d0b",
    "m": "\u043c\u217f",
    "n": "\u0578\u057c\u043f",
    "o": "\u043e\u03bf\u0585\u10ff\u0d20",
    "p": "\u0440\u03c1\u2374",
    "q": "\u051b\u0563",
    "r": "\u0433\u1d26",
    "s": "\u0455\ua731",
    "t": "\u0442\u03c4",
    "u": "\u03c5\u057d\u028b\u1d1c",
    "v": "\u03bd\u0475\u2174",
    "w": "\u051d\u0561\u0461",
    "x": "\u0445\u03c7\u2179",
    "y": "\u0443\u03b3\u04af",
    "z": "\u1d22",
}
_LETTERS: Final = {ord(drawn): letter for letter, likes in _DRAWN.items() for drawn in likes}
_DIGITS: Final = str.maketrans("01l35", "oiies")
"""Digits that stand for letters; `l` and `1` are drawn like `i`, `3` stands for `e`, `5` for `s`."""
_PARTING: Final = str.maketrans("", "", "_-. /:")


def skeleton(name: str) -> str:
    """Return what a reader tells a name by: without case, marks, parting signs, and with look-alikes made one."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    visible = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Mn", "Cf", "Cc"))
    drawn = visible.translate(_LETTERS).translate(_DIGITS).translate(_PARTING)
    return drawn.replace("rn", "m").replace("vv", "w")


def find_name(name: str) -> Iterator[Sign]:
    """Yield a sign for a name with letters beyond ASCII, which is where look-alikes come from."""
    strange = [letter for letter in name if not letter.isascii()]
    if strange:
        shown = ", ".join(f"U+{ord(letter):04X} {unicodedata.name(letter, '')}".strip() for letter in strange[:8])
        yield Sign("name_not_ascii", "high", f"has a name with letters beyond ASCII: {shown}")


def find_lookalikes(
    names: Iterable[str], own: Iterable[str], others: Mapping[ServerId, Iterable[str]]
) -> Iterator[tuple[str, Sign]]:
    """Yield (name, sign) for each of `names` that looks like another name of the same server, or of others."""
    known: dict[str, list[tuple[str, ServerId | None]]] = {}
    for name in own:
        known.setdefault(skeleton(name), []).append((name, None))
    for server, theirs in others.items():
        for name in theirs:
            known.setdefault(skeleton(name), []).append((name, server))
    for name in names:
        for other, server in known.get(skeleton(name), ()):
            if other != name:
                where = "this server" if server is None else f"server {server}"
                # Two spellings of one name are common among servers; one letter drawn like another is not.
                text = f"looks like {other!r} of {where}"
                yield name, Sign("look_alike_name", "low" if _spelt(name) == _spelt(other) else "high", text)


def _spelt(name: str) -> str:
    return name.casefold().translate(_PARTING)
