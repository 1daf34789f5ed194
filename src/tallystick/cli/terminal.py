"""What is printed: tables, and texts that somebody else has chosen, made harmless."""

from collections.abc import Sequence


def tame(text: str) -> str:
    """Return a text in which nothing can steer the terminal: callers and servers choose some of what is printed."""
    return "".join([letter if letter.isprintable() else "\ufffd" for letter in text])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equally many cells as lines of aligned columns; foreign texts are to be tamed before."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def counted(number: object, noun: str) -> str:
    """Return `1 key`, `2 keys`: a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tame_lines(text: str) -> str:
    """Return a text of several lines in which nothing can steer the terminal."""
    return "\n".join(map(tame, text.splitlines()))
