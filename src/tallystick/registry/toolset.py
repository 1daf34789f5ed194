"""The nouns of a toolset's document: what it selects, what it changes, and how collisions of names end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Conflicts = Literal["prefix", "priority", "manual", "reject"]
"""How two selected things of one name end: `prefix` puts `<server>__` before every name; `priority` lets the server win
that stands first; `manual` wants every collision settled by an override; `reject` allows none at all."""
CONFLICTS: tuple[Conflicts, ...] = ("prefix", "priority", "manual", "reject")

Path = tuple[str | None, ...]
"""A place in a JSON value: the names of members from the root; None stands for every element of an array."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One rule of `include` or `exclude`. None: the rule does not ask; `*` in a pattern is any run of characters.

    `labels` (one of them), `operations` and `risks` speak of tools only.
    """

    servers: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    operations: tuple[str, ...] | None = None
    risks: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None

    @property
    def is_about_all(self) -> bool:
        """Whether it names servers at most: as an exclusion, it then leaves out all that is theirs."""
        asked = (self.labels, self.operations, self.risks, self.tools, self.prompts, self.resources)
        return all(part is None for part in asked)


@dataclass(frozen=True, slots=True)
class Rows:
    """The first `first` elements of the array at `path`."""

    path: Path
    first: int


@dataclass(frozen=True, slots=True)
class Trim:
    """What is kept of a tool's results: `keep` names the only fields (None: all of them), `drop` those left out.

    `text_bytes` bounds all text of a result together, in bytes of UTF-8.
    """

    keep: tuple[Path, ...] | None = None
    drop: tuple[Path, ...] = ()
    rows: tuple[Rows, ...] = ()
    text_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ToolOverride:
    """What a toolset changes of one tool. `name` is published as it is, without a prefix.

    `arguments` are rules that tighten its schema (`registry.rules`); `fixed` are arguments that the gateway puts in.
    """

    name: str | None = None
    title: str | None = None
    description: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])
    fixed: Mapping[str, object] = field(default_factory=dict[str, object])
    trim: Trim | None = None


@dataclass(frozen=True, slots=True)
class PromptOverride:
    """What a toolset changes of one prompt."""

    name: str | None = None
    title: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ResourceOverride:
    """What a toolset says of one resource or template, by its URI. `server` is whose it is where several offer it."""

    server: str | None = None
    title: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Overrides:
    """All changes of a toolset: tools and prompts by (server, own name), resources by URI or template."""

    tools: Mapping[tuple[str, str], ToolOverride] = field(default_factory=dict[tuple[str, str], ToolOverride])
    prompts: Mapping[tuple[str, str], PromptOverride] = field(default_factory=dict[tuple[str, str], PromptOverride])
    resources: Mapping[str, ResourceOverride] = field(default_factory=dict[str, ResourceOverride])
