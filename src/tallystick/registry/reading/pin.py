"""Reads `pins/<server>.json`: what the server said when it was approved, and what has differed since."""

from collections.abc import Mapping

from tallystick.registry.model import Pin, Quarantine
from tallystick.settings import Section
from tallystick.terms import ServerId, ToolId

TOOL_NAME = 128
"""Longest tool name in characters, as MCP recommends."""


def parse_pin(section: Section) -> Pin:
    """Read one pin. A tool named twice is refused: two definitions under one name are how one shadows the other."""
    eras = {era: part.whole() for era, part in section.sections("eras").items()}
    parts = {_named(part): part for part in reversed(section.listed("tools"))}
    if len(parts) < len(section.listed("tools")):
        section.fault("tools", "one tool name is pinned twice", "remove one of the two definitions")
    tools = {name: part.whole() for name, part in reversed(parts.items())}
    return Pin(
        server=ServerId(section.stem),
        pinned_at=section.text("pinned_at", ""),
        eras=eras,
        tools=tools,
        quarantined={name: _quarantine(part) for name, part in section.sections("quarantined").items()},
        prompts=_definitions(section, "prompts", "name"),
        resource_templates=_definitions(section, "resource_templates", "uriTemplate"),
        variants=_variants(section) if section.has("variants") else None,
    )


def _named(part: Section) -> ToolId:
    name = part.text("name")
    if len(name) > TOOL_NAME or not name.isprintable():
        part.fault("name", f"is longer than {TOOL_NAME} characters or not printable", "rename the tool at its server")
    if not part.has("inputSchema"):
        part.fault("inputSchema", "is missing", "pin the server again with `tally pin`")
    part.mapping("inputSchema")
    return ToolId(name)


def _quarantine(section: Section) -> Quarantine:
    found = Quarantine(section.text("since"), section.text("digest", ""), section.text("why", ""))
    section.close()
    return found


def _definitions(section: Section, key: str, name: str) -> Mapping[str, Mapping[str, object]] | None:
    if not section.has(key):
        return None
    parts = section.listed(key)
    found = {part.text(name): part.whole() for part in parts}
    if len(found) < len(parts):
        section.fault(key, f"one {name} is pinned twice", "remove one of the two definitions")
    return found


def _variants(section: Section) -> Mapping[str, Mapping[str, object]]:
    return {era: part.whole() for era, part in section.sections("variants").items()}
