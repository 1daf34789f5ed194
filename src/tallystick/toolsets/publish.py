"""Published names.

A route `servers/<server>` keeps the server's own tool names. A route `toolsets/<toolset>` prefixes every tool with
`<server>__`, also where no clash exists today, so that adding a server later renames nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tallystick.registry import Registry, Server, Toolset
from tallystick.settings import Problem
from tallystick.terms import ServerId, TenantId, ToolId

SEPARATOR = "__"
NAME_LENGTH = 128
"""Longest published name in characters (MCP 2025-11-25, tool names)."""


@dataclass(frozen=True, slots=True)
class PublishedTool:
    """A tool as a route offers it: `definition` is the pinned one with `name` replaced and nothing else changed."""

    name: str
    server: ServerId
    tool: ToolId
    definition: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Publication:
    """What one route offers, in a stable order."""

    route: str
    kind: Literal["server", "toolset"]
    name: str
    tenant: TenantId
    title: str
    tools: tuple[PublishedTool, ...]


def publish(registry: Registry) -> Mapping[str, Publication] | tuple[Problem, ...]:
    """Return route ("servers/<s>" or "toolsets/<t>") -> publication, or every problem found."""
    publications = [_of_server(server) for server in registry.servers.values()]
    publications += [_of_toolset(toolset, registry) for toolset in registry.toolsets.values()]
    problems = tuple(
        Problem(
            f"{publication.route}.yaml",
            "members" if publication.kind == "toolset" else "tools",
            f'the published name "{tool.name}" is longer than {NAME_LENGTH} characters',
            f'rename the tool or the server, or leave tool "{tool.tool}" out',
        )
        for publication in publications
        for tool in publication.tools
        if len(tool.name) > NAME_LENGTH
    )
    return problems or {publication.route: publication for publication in publications}


def _of_server(server: Server) -> Publication:
    tools = tuple(PublishedTool(tool.id, server.name, tool.id, tool.definition) for tool in server.tools.values())
    return Publication(f"servers/{server.name}", "server", server.name, server.tenant, server.title, tools)


def _of_toolset(toolset: Toolset, registry: Registry) -> Publication:
    tools: list[PublishedTool] = []
    for member in toolset.members:
        server = registry.servers[member.server]
        for tool in server.tools.values():
            if member.tools is None or tool.id in member.tools:
                # INVARIANT: server names hold no underscore, so the first separator always ends the server's name.
                name = f"{server.name}{SEPARATOR}{tool.id}"
                tools.append(PublishedTool(name, server.name, tool.id, {**tool.definition, "name": name}))
    return Publication(f"toolsets/{toolset.name}", "toolset", toolset.name, toolset.tenant, toolset.title, tuple(tools))
