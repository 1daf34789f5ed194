"""A plan as text for people: what is created (+), changed (~), removed (-), and what somebody should look at (!)."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from typing import Final

from tallystick.control.declare.difference import Difference
from tallystick.control.declare.model import Action, Item, Plan

_SIGNS: Final[Mapping[Action, str]] = {
    "create": "+",
    "change": "~",
    "remove": "-",
    "drift": "!",
    "conflict": "!",
    "unchanged": " ",
}
_WORDS: Final[Mapping[Action, str]] = {
    "create": "to create",
    "change": "to change",
    "remove": "to remove",
    "drift": "drifted",
    "conflict": "in conflict",
    "unchanged": "unchanged",
}
LONGEST: Final = 160
"""Characters of a value that are shown."""
DIFFERENCES: Final = 200
"""Fields of one resource that are shown."""


def tell(plan: Plan) -> str:
    """Return the plan, one resource after the other, and a line that sums it up. Unchanged ones are only counted.

    Nothing in it acts on a terminal: what cannot be printed is written as an escape.
    """
    lines = [line for item in plan.items if item.action != "unchanged" or item.note for line in _item(item)]
    counts = Counter(item.action for item in plan.items)
    summed = ", ".join(f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action])
    return "\n".join([*lines, *([""] if lines else []), f"{summed or 'nothing is declared'}."]) + "\n"


def _item(item: Item) -> Iterator[str]:
    where = f" (tenant {item.tenant})" if item.tenant else ""
    note = f": {item.note}" if item.note else ""
    verb = f" {item.action}" if item.action in {"drift", "conflict"} else ""
    yield printable(f"{_SIGNS[item.action]} {item.key}{where}{verb}{note}")
    for difference in item.differences[:DIFFERENCES]:
        yield from _field(item.action, difference)
    if (more := len(item.differences) - DIFFERENCES) > 0:
        yield f"    ... and {more} more fields"


def _field(action: Action, field: Difference) -> Iterator[str]:
    path = printable(field.path)
    if isinstance(field.before, str) and isinstance(field.after, str) and "\n" in field.before + field.after:
        yield f"    {path}:"
        for line in [*unified_diff(field.before.splitlines(), field.after.splitlines(), lineterm="", n=1)][2:]:
            yield f"      {printable(line)}"
    elif action == "create":
        yield f"    {path}: {_value(field.after)}"
    else:
        yield f"    {path}: {_value(field.before)} -> {_value(field.after)}"


def _value(value: object) -> str:
    if value is None:
        return "(nothing)"
    text = printable(json.dumps(value, ensure_ascii=False, sort_keys=True))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def printable(text: str) -> str:
    """Return a text in which everything that does not show as itself is an escape, such as `\\u202e`."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
