"""What every route offers.

A route `servers/<server>` keeps the server's own tool names. A route `toolsets/<toolset>` offers what its document
selects, under names that are settled by its rule for conflicts: without one, every name has the prefix `<server>__`,
also where no clash exists today, so that adding a server later renames nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tallystick.registry import Registry, Server, Tool, Toolset
from tallystick.registry import toolset as nouns
from tallystick.settings import Problem
from tallystick.terms import ServerId, ToolId
from tallystick.toolsets.arguments import change_arguments, members
from tallystick.toolsets.entrance import entrance_of
from tallystick.toolsets.model import Publication, PublishedTool
from tallystick.toolsets.names import Settled, Wish, look_alikes, settle
from tallystick.toolsets.offers import EVERYTHING, Offers, offer
from tallystick.toolsets.select import Selected, select

NAME_LENGTH = 128
"""Longest published name in characters (MCP 2025-11-25, tool names)."""

_REMEDIES = {
    "prefix": "give one of them another name in `overrides`",
    "priority": "name their servers in `priority`, or give one of them another name in `overrides`",
    "manual": "give one of them another name in `overrides`",
    "reject": "leave one of them out, or choose another rule for `conflicts`",
}


def publish(registry: Registry) -> Mapping[str, Publication] | tuple[Problem, ...]:
    """Return route ("servers/<s>" or "toolsets/<t>") -> publication, or every problem found.

    A server that is not approved has no route.
    """
    found = [publish_server(server) for server in registry.servers.values() if server.state == "approved"]
    found += [publish_toolset(toolset, registry) for toolset in registry.toolsets.values()]
    problems = tuple(problem for entry in found if isinstance(entry, tuple) for problem in entry)
    return problems or {entry.route: entry for entry in found if not isinstance(entry, tuple)}


def publish_server(server: Server) -> Publication | tuple[Problem, ...]:
    """Return what a server's own route offers: all of its known tools, as they are."""
    tools = tuple(PublishedTool(tool.id, server.name, tool.id, tool.offered) for tool in server.tools.values())
    route = f"servers/{server.name}"
    too_long = tuple(_too_long(tools, f"{route}.yaml", "tools"))
    return too_long or Publication(route, "server", server.name, server.tenant, server.title, tools)


def publish_toolset(toolset: Toolset, registry: Registry) -> Publication | tuple[Problem, ...]:
    """Return what a toolset offers, or what is wrong with it: a collision that its rule does not settle, an override
    that cannot be. What is missing, not approved or quarantined is a notice, and the rest is offered without it.
    """
    selected = select(toolset, registry)
    named = _named(toolset, selected)
    offers = offer(toolset, registry, selected)
    # INVARIANT: names are settled before what is not available is left out, so that no tool is ever called by a name
    # that was another one's a moment ago.
    made = {key: _published(toolset, _Named(*_of(selected, key), name)) for key, name in named.names.items()}
    tools = tuple(
        tool
        for (server, _), tool in made.items()
        if isinstance(tool, PublishedTool) and selected.chosen[server].server.state == "approved"
    )
    file = f"toolsets/{toolset.name}.yaml"
    problems = (
        *selected.problems,
        *(entry for entry in made.values() if isinstance(entry, Problem)),
        *_collisions(toolset, (("tool", named), ("prompt", offers.names), ("resource", offers.uris))),
        *_too_long(tools, file, "members"),
    )
    return problems or Publication(
        f"toolsets/{toolset.name}",
        "toolset",
        toolset.name,
        toolset.tenant,
        toolset.title,
        tools,
        offers.prompts,
        offers.resources,
        entrance_of(toolset, registry.grants),
        (
            *selected.notices,
            *_notices(toolset, registry, selected),
            *_told(toolset, named, offers),
            *_idle_grants(toolset, registry),
        ),
    )


class _Named(NamedTuple):
    """One chosen tool under the name that it got."""

    server: Server
    tool: Tool
    name: str


def _of(selected: Selected, key: tuple[ServerId, str]) -> tuple[Server, Tool]:
    chosen = selected.chosen[key[0]]
    return chosen.server, chosen.tools[ToolId(key[1])]


def _named(toolset: Toolset, selected: Selected) -> Settled:
    overrides = toolset.overrides.tools
    wishes = [
        Wish(server, tool, overrides.get((server, tool), nouns.ToolOverride()).name)
        for server, chosen in selected.chosen.items()
        for tool in chosen.tools
    ]
    return settle(wishes, toolset.conflicts, toolset.priority)


def _published(toolset: Toolset, named: _Named) -> PublishedTool | Problem:
    server, tool, name = named
    definition = {**tool.offered, "name": name}
    override = toolset.overrides.tools.get((server.name, tool.id))
    if override is None:
        return PublishedTool(name, server.name, tool.id, definition)
    definition |= {
        key: text
        for key, text in (("title", override.title), ("description", override.description))
        if text is not None
    }
    schema = None
    if override.arguments or override.fixed:
        changed = change_arguments(members(tool.offered.get("inputSchema")), override)
        if isinstance(changed, str):
            place = f"toolsets/{toolset.name}.yaml", f'overrides.tools "{server.name}/{tool.id}"'
            return Problem(*place, changed, "correct the override")
        schema, definition["inputSchema"] = changed.judged, changed.listed
    if override.trim is not None:
        # What is cut need not be what the server promised, and a client would refuse it for that.
        definition.pop("outputSchema", None)
    return PublishedTool(name, server.name, tool.id, definition, schema, override.fixed, override.trim)


def _collisions(toolset: Toolset, settled: Sequence[tuple[str, Settled]]) -> Iterator[Problem]:
    for noun, entry in settled:
        for name, wishes in entry.collisions:
            whose = " and ".join(f'"{wish.own}" of {wish.server}' for wish in wishes)
            remedy = _REMEDIES[toolset.conflicts]
            if noun == "resource" and toolset.conflicts in ("prefix", "manual"):
                remedy = "say in `overrides.resources` whose `server` it is"
            what = f'the {noun} name "{name}" is wanted by {whose}'
            yield Problem(f"toolsets/{toolset.name}.yaml", "conflicts", what, remedy)


def _too_long(tools: Sequence[PublishedTool], file: str, field: str) -> Iterator[Problem]:
    for tool in tools:
        if len(tool.name) > NAME_LENGTH:
            what = f'the published name "{tool.name}" is longer than {NAME_LENGTH} characters'
            yield Problem(file, field, what, f'rename the tool or the server, or leave tool "{tool.tool}" out')


def _notices(toolset: Toolset, registry: Registry, selected: Selected) -> Iterator[Problem]:
    """Yield what the toolset does without."""
    file = f"toolsets/{toolset.name}.yaml"
    for server, chosen in selected.chosen.items():
        pin = registry.pins.get(server)
        if chosen.server.state != "approved":
            what = f'server "{server}" is {chosen.server.state}, so nothing of it is offered'
            yield Problem(file, "members", what, "have it approved, or leave it out")
            continue
        if pin is None:
            yield Problem(file, "members", f'server "{server}" was never pinned, so nothing of it is offered', "pin it")
            continue
        for name, quarantine in pin.quarantined.items():
            if name == EVERYTHING or ToolId(name) in chosen.tools:
                held = "all of it" if name == EVERYTHING else f'its tool "{name}"'
                what = f'server "{server}" has changed since it was approved, so {held} is held back: {quarantine.why}'
                yield Problem(file, "members", what, "have the change reviewed")
    for server, own in toolset.overrides.tools:
        known = selected.chosen.get(ServerId(server))
        if known is None or ToolId(own) not in known.tools:
            what = "changes a tool that the toolset does not offer"
            yield Problem(file, f'overrides.tools "{server}/{own}"', what, "correct its name, or remove it")


def _idle_grants(toolset: Toolset, registry: Registry) -> Iterator[Problem]:
    for grant in registry.grants.values():
        if toolset.audience is None and grant.toolset == toolset.name:
            what = f'toolset "{toolset.name}" has no audience, so everybody of its tenant is let in without this grant'
            yield Problem(f"grants/{grant.name}.yaml", "toolset", what, "give the toolset an audience")


def _told(toolset: Toolset, named: Settled, offers: Offers) -> Iterator[Problem]:
    """Yield how collisions ended, and which names could be taken for one another."""
    file = f"toolsets/{toolset.name}.yaml"
    for noun, settled in (("tool", named), ("prompt", offers.names), ("resource", offers.uris)):
        for loser, winner in settled.losers:
            what = (
                f'the {noun} "{loser.own}" of {loser.server} is not offered: {winner.server} has the name by priority'
            )
            yield Problem(file, "priority", what, "give one of them another name in `overrides` to offer both")
        for group in look_alikes(settled.names.values()) if noun != "resource" else ():
            what = f"the {noun} names {' and '.join(group)} are easily taken for one another"
            yield Problem(file, "members", what, "give one of them another name in `overrides`")
