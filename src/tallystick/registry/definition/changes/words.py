"""What changed between two texts, word by word, in a form that a person can read."""

import re
from difflib import SequenceMatcher
from typing import Final

MOST: Final = 600
"""Words of a text that are compared one by one; comparing takes time with the product of two lengths."""

CONTEXT: Final = 4
"""Unchanged words shown on either side of a change."""

LONGEST: Final = 1_200
"""Characters of the answer."""

_WORDS: Final = re.compile(r"\S+")


def compare_words(before: str, after: str) -> str:
    """Return the changes from one text to another: `[-taken away-]`, `{+added+}`, with some words around each."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > MOST:
        return f"rewritten or longer than can be compared: {len(old)} words before, {len(new)} now"
    told: list[str] = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            told.append(_shortened(old[i:j], is_first=i == 0, is_last=j == len(old)))
            continue
        if j > i:
            told.append("[-" + " ".join(old[i:j]) + "-]")
        if m > k:
            told.append("{+" + " ".join(new[k:m]) + "+}")
    if old == new:
        return "only blanks between words changed"
    text = " ".join(part for part in told if part)
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def _shortened(words: list[str], *, is_first: bool, is_last: bool) -> str:
    if len(words) <= 2 * CONTEXT:
        return " ".join(words)
    head = [] if is_first else words[:CONTEXT]
    tail = [] if is_last else words[-CONTEXT:]
    return " ".join([*head, "...", *tail])
