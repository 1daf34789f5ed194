"""Reads the `overrides` of a toolset: what it changes of single tools, prompts and resources, and what it trims.

A place in a result is a JSONPath (RFC 9535) of names and `[*]` alone: `$.accounts[*].iban`.
"""

import re
from typing import Final

from tallystick.registry.rules import read_rules
from tallystick.registry.toolset import (
    Overrides,
    Path,
    PromptOverride,
    ResourceOverride,
    Rows,
    ToolOverride,
    Trim,
)
from tallystick.settings import Section

NAME: Final = r"[A-Za-z0-9_.-]{1,128}"
"""What a tool or prompt may be renamed to (MCP 2025-11-25, tool names)."""
TEXT_BYTES: Final = 256 * 1024 * 1024
ROWS: Final = 1_000_000

_STEP: Final = re.compile(r"\.(?P<name>[^\W\d][\w-]*)|\['(?P<quoted>[^'\\]+)'\]|(?P<each>\[\*\])")


def read_overrides(section: Section) -> Overrides:
    """Read all overrides. Tools and prompts are named `<server>/<own name>`, resources by their URI or template."""
    overrides = Overrides(
        tools={_target(part, name): _tool(part) for name, part in section.sections("tools").items()},
        prompts={_target(part, name): _prompt(part) for name, part in section.sections("prompts").items()},
        resources={uri: _resource(part) for uri, part in section.sections("resources").items()},
    )
    section.close()
    return overrides


def _target(section: Section, written: str) -> tuple[str, str]:
    server, slash, own = written.partition("/")
    if not (server and slash and own):
        section.fault("", f'"{written}" names no server and no name of it', "write it as <server>/<name>")
    return server, own


def _tool(section: Section) -> ToolOverride:
    found = ToolOverride(
        name=_optional(section, "name", NAME),
        title=_optional(section, "title"),
        description=_optional(section, "description"),
        arguments=read_rules(section.section("arguments")),
        fixed=section.mapping("fixed"),
        trim=_trim(section.section("trim")) if section.has("trim") else None,
    )
    for name in found.arguments:
        if name in found.fixed:
            section.fault(f"arguments.{name}", "is fixed, so no rule can narrow it", "keep one of the two")
    section.close()
    return found


def _prompt(section: Section) -> PromptOverride:
    found = PromptOverride(
        _optional(section, "name", NAME), _optional(section, "title"), _optional(section, "description")
    )
    section.close()
    return found


def _resource(section: Section) -> ResourceOverride:
    found = ResourceOverride(
        _optional(section, "server"), _optional(section, "title"), _optional(section, "description")
    )
    section.close()
    return found


def _trim(section: Section) -> Trim:
    fields = section.section("fields")
    keep = _paths(fields, "keep") if fields.has("keep") else None
    drop = _paths(fields, "drop")
    fields.close()
    rows = tuple(_rows(part) for part in section.listed("rows"))
    text_bytes = section.integer("bytes", 0, 1, TEXT_BYTES) if section.has("bytes") else None
    section.close()
    trim = Trim(keep, drop, rows, text_bytes)
    if trim == Trim():
        section.fault("fields", "nothing is trimmed", "name fields, rows or bytes, or leave `trim` out")
    return trim


def _rows(section: Section) -> Rows:
    place = section.text("path", pattern=r"\$.*")
    rows = Rows(_path(section, "path", place) if place else (), section.integer("first", 0, 0, ROWS))
    if not section.has("first"):
        section.fault("first", "is missing", "say how many elements are kept")
    section.close()
    return rows


def _paths(section: Section, key: str) -> tuple[Path, ...]:
    return tuple(_path(section, key, text) for text in section.texts(key))


def _path(section: Section, key: str, text: str) -> Path:
    path: list[str | None] = []
    at = 1 if text.startswith("$") else 0
    while at and at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            break
        path.append(None if step["each"] else step["name"] or step["quoted"])
        at = step.end()
    if at == 0 or at < len(text):
        section.fault(key, f'"{text}" is no path that is understood here', "write it like $.accounts[*].iban")
    return tuple(path)


def _optional(section: Section, key: str, pattern: str | None = None) -> str | None:
    return section.text(key, pattern=pattern) if section.has(key) else None
