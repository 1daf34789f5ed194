"""A file to its documents: YAML streams (YAML 1.2, section 9.2) and single JSON or TOML documents, with their lines."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tallystick.settings import Problem, parse_document

_MARK: Final = re.compile(rb"(?m)^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)")
"""Where a document begins or ends: no scalar of YAML may have these at the beginning of a line."""
_NOTHING: Final = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z))*\Z")
DOCUMENTS: Final = 10_000
"""Documents in one file at most."""


class Source(NamedTuple):
    """One document and where it stands, such as `servers.yaml (document 2, line 14)`."""

    place: str
    content: Mapping[str, object]


def split(file: str, raw: bytes) -> Iterator[Source | Problem]:
    """Yield each document of a file, or what is wrong with it. Documents without content are passed over."""
    if not file.endswith((".yaml", ".yml")):
        content = parse_document(file, raw)
        yield content if isinstance(content, Problem) else Source(file, content)
        return
    starts = [0, *(mark.start() for mark in _MARK.finditer(raw))]
    if len(starts) > DOCUMENTS:
        yield Problem(file, "", f"holds more than {DOCUMENTS} documents", "spread them over several files")
        return
    parts = [raw[start:end] for start, end in zip(starts, [*starts[1:], len(raw)], strict=True)]
    whole = [(start, part) for start, part in zip(starts, parts, strict=True) if not _NOTHING.match(_unmarked(part))]
    lines, at = 1, 0
    for number, (start, part) in enumerate(whole, 1):
        lines, at = lines + raw.count(b"\n", at, start), start
        # Empty lines before it make the parser tell the lines of the file.
        content = parse_document(file, b"\n" * (lines - 1) + _unmarked(part))
        place = f"{file} (document {number}, line {lines})" if len(whole) > 1 else file
        yield content if isinstance(content, Problem) else Source(place, content)


def _unmarked(part: bytes) -> bytes:
    """Return the part without the marker that it begins with."""
    return b"   " + part[3:] if _MARK.match(part) else part
