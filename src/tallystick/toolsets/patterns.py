"""Patterns of names and URIs, and URI templates (RFC 6570), matched in time that grows with the text and nothing else.

A pattern has one special character: `*` is any run of characters, also an empty one. Of a template, an expression is a
run of characters without `/`, or with it where it is reserved (`{+path}`) or exploded (`{path*}`); what it starts with
`?` or `&` may be missing.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote

_EXPRESSION: Final = re.compile(r"\{([^{}]*)\}")
_OPTIONAL: Final = ("?", "&", "#", ";")
_RESERVED: Final = ("+", "/", "#")
_STEPS: Final = re.compile(r"[/\\?#]")
_ENCODED: Final = 3
"""How often what is percent-encoded is decoded: once is right, and some servers do it again."""


def matches(pattern: str, text: str) -> bool:
    """Tell whether all of `text` is as `pattern` says."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first):
        return False
    at, last = len(first), rest.pop()
    for piece in rest:
        # INVARIANT: the first place is as good as any later one, so nothing is ever tried twice.
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - len(last) >= at and text.endswith(last)


def matches_any(patterns: Iterable[str] | None, text: str) -> bool:
    """Tell whether one of the patterns fits; None asks nothing, so that everything fits."""
    return patterns is None or any(matches(pattern, text) for pattern in patterns)


def climbs(uri: str) -> bool:
    """Tell whether a step of a URI's path leads up or nowhere (RFC 3986, 5.2.4), written out or percent-encoded."""
    return any(step in (".", "..") for reading in readings(uri) for step in _STEPS.split(reading))


def readings(uri: str) -> frozenset[str]:
    """Return how a server may read a URI: decoded, with scheme and host in small letters (RFC 3986, 6.2.2)."""
    found: set[str] = set()
    for _ in range(_ENCODED + 1):
        scheme, parted, rest = uri.partition("://")
        host, slash, path = rest.partition("/")
        found |= {uri, f"{scheme.lower()}{parted}{host.lower()}{slash}{path}"}
        uri = unquote(uri)
    return frozenset(found)


def fits_template(template: str, uri: str) -> bool:
    """Tell whether a template can give this URI, as far as can be told from left to right."""
    pieces = _EXPRESSION.split(template)
    literals, expressions = pieces[::2], pieces[1::2]
    if not uri.startswith(literals[0]):
        return False
    return _filled(uri[len(literals[0]) :], expressions, literals[1:])


def _filled(rest: str, expressions: Sequence[str], literals: Sequence[str]) -> bool:
    for place, (expression, literal) in enumerate(zip(expressions, literals, strict=True)):
        is_last = place == len(expressions) - 1
        end = _end(rest, literal, is_last=is_last)
        if end is None or not _may_be(expression, rest[:end]):
            return False
        rest = rest[end + len(literal) :]
    return not rest


def _end(rest: str, literal: str, *, is_last: bool) -> int | None:
    """Return where the value of an expression ends that `literal` comes after."""
    if is_last:
        return len(rest) - len(literal) if rest.endswith(literal) else None
    found = rest.find(literal, 1) if literal else -1
    return None if found < 0 else found


def _may_be(expression: str, value: str) -> bool:
    if not value:
        return expression.startswith(_OPTIONAL)
    return "/" not in value or expression.startswith(_RESERVED) or expression.endswith("*")
