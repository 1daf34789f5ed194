"""What a server says that it is, and what somebody who reviews it has to see: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tallystick.terms import Digest, ServerId

Part = Literal["tools", "prompts", "resource_templates"]
"""The lists of a definition, as a pin names them.

Resources are left out: a fixed resource is content, which comes and goes with what the server keeps (files, rows), and
reading one is a decision of policy by its address. A template is what the server says it can be asked for.
"""

NAMED_BY: Final[Mapping[Part, str]] = {"tools": "name", "prompts": "name", "resource_templates": "uriTemplate"}
"""The member that names an entry of each list (MCP 2026-07-28, schema)."""

PINNED: Final[Mapping[Part, tuple[str, ...]]] = {
    "tools": ("name", "title", "description", "inputSchema", "outputSchema", "annotations"),
    "prompts": ("name", "title", "description", "arguments"),
    "resource_templates": ("uriTemplate", "name", "title", "description", "mimeType", "annotations"),
}
"""Members under the digest of an entry; others (`_meta`, icons, hints of a transport) may change unapproved."""

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")

SERVER: Final = "*"
"""Stands for the whole server where a tool is named: what it says to every client."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a list as the server sent it. `flaw` says why it can stand for nothing: it equals no other then."""

    name: str
    definition: Mapping[str, object]
    digest: Digest
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a server says in one era. A list that is None was never asked for, so nothing is compared with it.

    `instructions` is None where it gives none; `introduced` False: its opening was never asked for.
    """

    instructions: str | None
    tools: Mapping[str, Item] | None
    prompts: Mapping[str, Item] | None = None
    resource_templates: Mapping[str, Item] | None = None
    introduced: bool = True

    def items(self, part: Part) -> Mapping[str, Item] | None:
        """Return one of the lists."""
        match part:
            case "tools":
                return self.tools
            case "prompts":
                return self.prompts
            case "resource_templates":
                return self.resource_templates


@dataclass(frozen=True, slots=True)
class Definition:
    """What one server is, by protocol version, the newest first; `digest` is of all of it.

    `opened` is its whole answer to each version's opening, which a pin keeps.
    """

    server: ServerId
    eras: Mapping[str, Said]
    opened: Mapping[str, Mapping[str, object]]
    digest: Digest

    @property
    def newest(self) -> Said:
        """What it says in the newest version that it speaks."""
        return next(iter(self.eras.values()), Said(None, None, introduced=False))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a reviewer has to see.

    `code` is of the closed list in docs/how-to/drift.md, `place` a path such as `tools/pay/inputSchema/amount`, `text`
    a sentence. `before` and `after` are the values that differ, where there are such.
    """

    code: str
    severity: Severity
    place: str
    text: str
    before: object = None
    after: object = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be quarantined: a tool's name, or "*" for the whole server -> the digest that was seen instead.

    `new` and `gone` are entries that were never pinned or are no longer there, as `<list>/<name>`; neither is a reason
    to quarantine: what was never pinned is hidden, and what is gone fails by itself or is not for this caller.
    """

    quarantine: Mapping[str, Digest]
    new: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs at all."""
        return not (self.quarantine or self.new or self.gone)
