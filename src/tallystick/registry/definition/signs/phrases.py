"""Phrases that speak to a model instead of describing a tool, and names of tools of other servers.

A modest list of what published attacks use. What is pinned and reviewed keeps a tool safe; this only points at it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tallystick.registry.definition.model import Severity
from tallystick.registry.definition.signs.model import Sign
from tallystick.terms import ServerId

_SECRETS: Final = r"\b(?:api[_ -]?keys?|passwords?|private keys?|access tokens?|credentials)\b"
_GIVE: Final = r"\b(?:include|pass|send|put|provide|append)\b"
_EARLIER: Final = r"(?:previous|prior|above|earlier|other|system)"
_TELL: Final = r"(?:tell|mention|inform|notify|show|reveal)"
_MODEL: Final[tuple[tuple[Severity, str, str], ...]] = (
    (
        "high",
        "a tag that sets text apart for a model",
        r"</?\s*(?:important|system|instructions?|secret|hidden|admin|assistant|user)\s*>",
    ),
    (
        "critical",
        "asks to keep something from the user",
        rf"\b(?:do not|don'?t|never|without)\s+{_TELL}\w*\b[^.]{{0,40}}\buser",
    ),
    (
        "critical",
        "asks to set other instructions aside",
        rf"\b(?:ignore|disregard|forget|override)\s+(?:(?:all|any|the|your)\s+){{0,3}}{_EARLIER}\b",
    ),
    (
        "high",
        "asks for something else to be done first",
        r"\bbefore\s+(?:using|calling|invoking)\s+(?:this|any)\b[^.]{0,80}\b(?:read|call|send|include|pass|fetch)\b",
    ),
    (
        "high",
        "puts itself before other tools",
        r"\b(?:always|must)\s+(?:call|use|invoke|run)\s+this\s+(?:tool|function)\s+(?:before|first|instead)",
    ),
    ("medium", "puts itself in another tool's place", r"\binstead\s+of\s+(?:the\s+)?\w+\s+tool\b"),
    ("high", "names files where secrets are kept", r"(?:~/|/etc/)\.?[\w./-]+|\bid_rsa\b|\.ssh\b|\bmcp\.json\b"),
    ("high", "asks for secrets", rf"{_SECRETS}[^.]{{0,60}}{_GIVE}|{_GIVE}[^.]{{0,60}}{_SECRETS}"),
    ("medium", "speaks to a model", r"\byou\s+(?:are|must|should|will)\s+now\b|\bas an ai\b"),
)
_COMPILED: Final[tuple[tuple[re.Pattern[str], Severity, str], ...]] = tuple(
    [(re.compile(pattern, re.IGNORECASE), severity, what) for severity, what, pattern in _MODEL]
)

LONGEST: Final = 20_000
"""Letters of a text that are searched."""

TELLING: Final = 6
"""Letters that a name without a parting sign has at least, to be taken for a name and not for a word."""

_WORD: Final = re.compile(r"[A-Za-z0-9_.-]+")


def find_phrases(text: str) -> Iterator[Sign]:
    """Yield one sign for each kind of phrase that addresses a model."""
    for pattern, severity, what in _COMPILED:
        found = pattern.search(text[:LONGEST])
        if found is not None:
            yield Sign("addresses_model", severity, f"{what}: {found.group()[:120]!r}")


def find_references(text: str, others: Mapping[ServerId, Iterable[str]], own: frozenset[str]) -> Iterator[Sign]:
    """Yield a sign for each other server's tool that a text names: one server has no say in how another is used.

    A name counts that could not be an ordinary word: with a parting sign or a capital inside, or written as code.
    """
    words = {word.strip(".-") for word in _WORD.findall(text[:LONGEST])}
    for server, names in others.items():
        for name in names:
            if name in own or name not in words:
                continue
            if _is_telling(name) or f"`{name}`" in text:
                yield Sign("names_other_tool", "high", f"names the tool {name!r} of server {server}")


def _is_telling(name: str) -> bool:
    parted = any(sign in name for sign in "_-.") or (not name.islower() and not name.isupper() and not name.istitle())
    return parted and len(name) >= TELLING
