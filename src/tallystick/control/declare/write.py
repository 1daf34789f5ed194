"""Documents to YAML that reads well, and reads back as the same values by YAML 1.1 and 1.2 alike."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tallystick.control.declare.difference import is_list, is_object

_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+()-]*(?:[ :][A-Za-z0-9_./@+()-]+)*")
"""Texts that need no quotes: they begin with a letter, and no colon in them is followed by a space."""
_WORDS: Final = frozenset(
    {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity", "none", "~"}
)
"""What some reader of YAML takes for something else than a text."""
_ESCAPES: Final[Mapping[str, str]] = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_ONE_BYTE, _TWO_BYTES = 0xFF, 0xFFFF


def to_yaml(documents: Iterable[Mapping[str, object]]) -> str:
    """Return the documents as one stream, each after a `---`."""
    return "".join("---\n" + "".join(f"{line}\n" for line in _mapping(document, "")) for document in documents)


def _mapping(value: Mapping[str, object], indent: str) -> Iterator[str]:
    for name, part in value.items():
        first, *rest = _node(part, indent)
        yield f"{indent}{_text(name)}:{first}"
        yield from rest


def _node(value: object, indent: str) -> Iterator[str]:
    """Yield what stands behind a colon or a dash, then the lines below it."""
    inner = indent + "  "
    if is_object(value):
        yield "" if value else " {}"
        yield from _mapping({str(name): part for name, part in value.items()}, inner)
    elif is_list(value):
        yield "" if value else " []"
        for item in value:
            yield from _element(item, inner)
    elif isinstance(value, str) and _is_block(value):
        yield " |" if value.endswith("\n") else " |-"
        yield from (f"{inner}{line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f" {_text(value) if isinstance(value, str) else json.dumps(value)}"


def _element(item: object, indent: str) -> Iterator[str]:
    first, *rest = _node(item, indent)
    if is_object(item) and rest:
        # The first member stands beside the dash.
        yield f"{indent}- {rest[0].lstrip(' ')}"
        yield from rest[1:]
        return
    yield f"{indent}-{first}"
    yield from rest


def _is_block(text: str) -> bool:
    lines = text.removesuffix("\n").split("\n")
    if "\n" not in text or text[:1] in {" ", "\n", "\t"} or not lines[-1]:
        return False
    return all(line.isprintable() and not line.endswith(" ") for line in lines)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(_escaped(one) for one in text) + '"'


def _escaped(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one.isprintable():
        return one
    code = ord(one)
    return f"\\x{code:02x}" if code <= _ONE_BYTE else f"\\u{code:04x}" if code <= _TWO_BYTES else f"\\U{code:08x}"
