"""Which tools, prompts and resources of which servers a toolset offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallystick.registry import Registry, Server, Tool, Toolset, model
from tallystick.registry import toolset as nouns
from tallystick.settings import Problem
from tallystick.terms import ServerId, ToolId
from tallystick.toolsets.patterns import matches_any

_ALL = ("*",)


@dataclass(slots=True)
class Chosen:
    """What is chosen of one server: tools by name, and patterns of prompts and of resources."""

    server: Server
    tools: dict[ToolId, Tool] = field(default_factory=dict[ToolId, Tool])
    prompts: list[str] = field(default_factory=list[str])
    resources: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Selected:
    """What a toolset chooses, by server, in the order of its document; without what it excludes."""

    chosen: dict[ServerId, Chosen] = field(default_factory=dict[ServerId, Chosen])
    problems: list[Problem] = field(default_factory=list[Problem])
    notices: list[Problem] = field(default_factory=list[Problem])

    def of(self, server: Server) -> Chosen:
        """Return what is chosen of a server."""
        return self.chosen.setdefault(server.name, Chosen(server))


def select(toolset: Toolset, registry: Registry) -> Selected:
    """Return what a toolset chooses of all known servers of its tenant, whether they are approved or not."""
    selected = Selected()
    file = f"toolsets/{toolset.name}.yaml"
    for index, member in enumerate(toolset.members):
        _add_member(selected, toolset, member, registry.servers, (file, f"members[{index}]"))
    own = [server for server in registry.servers.values() if server.tenant == toolset.tenant]
    for index, rule in enumerate(toolset.include):
        if not _add_included(selected, rule, own):
            what = "chooses nothing that is known"
            selected.notices.append(Problem(file, f"include[{index}]", what, "correct it, or leave it for what comes"))
    for chosen in selected.chosen.values():
        name = chosen.server.name
        for rule in toolset.exclude:
            excluded = [tool.id for tool in chosen.tools.values() if _excludes_tool(rule, name, tool)]
            for tool in excluded:
                del chosen.tools[tool]
    return selected


def excludes_prompt(toolset: Toolset, server: ServerId, prompt: str) -> bool:
    """Tell whether some rule leaves a prompt out."""
    return any(_excludes(rule, server, rule.prompts, prompt) for rule in toolset.exclude)


def _add_member(
    selected: Selected,
    toolset: Toolset,
    member: model.Member,
    servers: Mapping[ServerId, Server],
    place: tuple[str, str],
) -> None:
    file, at = place
    server = servers.get(member.server)
    if server is None:
        selected.notices.append(Problem.unknown((file, f"{at}.server"), "server", member.server, servers))
        return
    # INVARIANT: a toolset never crosses a tenant border; whoever may enter it may know every server in it.
    if server.tenant != toolset.tenant:
        what = f'server "{server.name}" belongs to tenant "{server.tenant}", the toolset to "{toolset.tenant}"'
        selected.problems.append(Problem(file, f"{at}.server", what, "use servers of the toolset's own tenant"))
        return
    chosen = selected.of(server)
    for tool in server.tools.values() if member.tools is None else ():
        chosen.tools[tool.id] = tool
    for name in member.tools or ():
        tool = server.tools.get(name)
        if tool is None:
            noun = f"known tool of {server.name}"
            selected.notices.append(Problem.unknown((file, f"{at}.tools"), noun, name, server.tools))
    if member.tools is not None:
        chosen.tools |= {tool.id: tool for tool in server.tools.values() if tool.id in member.tools}
    chosen.prompts += member.prompts
    chosen.resources += member.resources


def _add_included(selected: Selected, rule: nouns.Selection, servers: list[Server]) -> bool:
    found = False
    for server in servers:
        if not matches_any(rule.servers, server.name):
            continue
        tools = {tool.id: tool for tool in server.tools.values() if _is_meant(rule, tool)}
        prompts, resources = rule.prompts or (), rule.resources or ()
        if tools or prompts or resources:
            chosen = selected.of(server)
            chosen.tools |= tools
            chosen.prompts += prompts
            chosen.resources += resources
            found = True
    return found


def _is_meant(rule: nouns.Selection, tool: Tool) -> bool:
    return (
        matches_any(rule.tools, tool.id)
        and (rule.labels is None or not frozenset(rule.labels).isdisjoint(tool.labels))
        and (rule.operations is None or tool.operation in rule.operations)
        and (rule.risks is None or tool.risk in rule.risks)
    )


def _excludes_tool(rule: nouns.Selection, server: ServerId, tool: Tool) -> bool:
    asks = any(part is not None for part in (rule.tools, rule.labels, rule.operations, rule.risks))
    if not asks and not rule.is_about_all:
        return False
    return matches_any(rule.servers, server) and _is_meant(rule, tool)


def _excludes(rule: nouns.Selection, server: ServerId, patterns: tuple[str, ...] | None, name: str) -> bool:
    wanted = patterns if patterns is not None else _ALL if rule.is_about_all else ()
    return matches_any(rule.servers, server) and matches_any(wanted, name)
