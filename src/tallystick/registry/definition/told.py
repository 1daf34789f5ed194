"""Findings as JSON for machines, and as text for a reader at a terminal."""

from collections.abc import Iterable, Sequence
from typing import Final

from tallystick.registry.definition.model import Finding

MOST: Final = 200
"""Findings of one report that are kept."""

VALUE: Final = 2_000
"""Characters of a value before or after; a longer one is left out, the text says what changed."""


def to_json(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """Return findings as plain values, with values of a readable size."""
    return [_plain(finding) for finding in list(findings)[:MOST]]


def _plain(finding: Finding) -> dict[str, object]:
    plain: dict[str, object] = {
        "code": finding.code,
        "severity": finding.severity,
        "place": visible(finding.place),
        "text": visible(finding.text),
    }
    values = {"before": finding.before, "after": finding.after}
    return plain | {name: value for name, value in values.items() if value is not None and len(repr(value)) <= VALUE}


def to_text(findings: Sequence[Finding]) -> str:
    """Return findings by place, the most severe place first, one finding on a line; empty where there is none."""
    places: dict[str, list[Finding]] = {}
    for finding in findings[:MOST]:
        places.setdefault("/".join(finding.place.split("/")[:2]), []).append(finding)
    lines: list[str] = []
    for place, here in places.items():
        lines.append(visible(place))
        for finding in here:
            inner = finding.place.removeprefix(place).lstrip("/")
            lines.append(f"  {finding.severity:<8} {finding.code:<22} {visible(inner)}: {visible(finding.text)}")
    if len(findings) > MOST:
        lines.append(f"and {len(findings) - MOST} more")
    return "\n".join(lines)


def visible(text: str) -> str:
    """Return a text in which nothing hides: what is not printable stands as its code point."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(letter if _shows(letter) else f"<U+{ord(letter):04X}>" for letter in text)


def _shows(letter: str) -> bool:
    # Variation selectors are printable to Python and invisible to a reader.
    point = ord(letter)
    return letter.isprintable() and not (0xFE00 <= point <= 0xFE0F or 0xE0100 <= point <= 0xE01EF or point == 0x3164)  # noqa: PLR2004 - Unicode's blocks


def why(findings: Iterable[Finding], place: str) -> str:
    """Return in one sentence why what is at `place` (such as `tools/pay`) is not what was approved."""
    inside = [finding for finding in findings if finding.place == place or finding.place.startswith(f"{place}/")]
    places = [(finding.code, finding.place.removeprefix(place).lstrip("/") or place) for finding in inside[:4]]
    told = "; ".join(f"{code} at {where}" for code, where in places)
    more = f" and {len(inside) - 4} more" if len(inside) > 4 else ""  # noqa: PLR2004 - as above
    return visible((told or "it differs from what was approved") + more)[:400]
