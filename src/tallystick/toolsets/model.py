"""What a route offers, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tallystick.registry import toolset as nouns
from tallystick.settings import Problem
from tallystick.terms import ServerId, TenantId, ToolId
from tallystick.toolsets.entrance import Entrance
from tallystick.toolsets.resources import Resources


@dataclass(frozen=True, slots=True)
class PublishedTool:
    """A tool as a route offers it. `definition` is the MCP tool object that clients are shown.

    Where a toolset narrows or fixes arguments, `schema` is what calls are judged by, with the arguments in `fixed`,
    which the listed schema does not have; None: the tool's own. `trim` says what is kept of its results.
    """

    name: str
    server: ServerId
    tool: ToolId
    definition: Mapping[str, object]
    schema: Mapping[str, object] | None = None
    fixed: Mapping[str, object] = field(default_factory=dict[str, object])
    trim: nouns.Trim | None = None


@dataclass(frozen=True, slots=True)
class PublishedPrompt:
    """A prompt as a toolset offers it: the pinned one, under its published name. `prompt` is its own."""

    name: str
    server: ServerId
    prompt: str
    definition: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Publication:
    """What one route offers, in a stable order. Prompts and resources of a server's own route are not listed here:
    the server itself is asked for them.

    `entrance` None: open to every caller of its tenant. `notices` say what the route does without.
    """

    route: str
    kind: Literal["server", "toolset"]
    name: str
    tenant: TenantId
    title: str
    tools: tuple[PublishedTool, ...]
    prompts: tuple[PublishedPrompt, ...] = ()
    resources: Resources = field(default_factory=Resources)
    entrance: Entrance | None = None
    notices: tuple[Problem, ...] = ()

    @property
    def asked(self) -> tuple[ServerId, ...]:
        """Return the servers that are asked for prompts and resources."""
        servers = [prompt.server for prompt in self.prompts] + [reader.server for reader in self.resources.readers]
        return tuple(dict.fromkeys(servers))
