"""Reads `toolsets/<name>.yaml`, and checks what its members refer to."""

from collections.abc import Iterator, Mapping

from tallystick.registry.model import Member, Server, Toolset
from tallystick.registry.reading.words import NAME
from tallystick.settings import Problem, Section
from tallystick.terms import ServerId, TenantId, ToolId


def parse_toolset(section: Section) -> Toolset:
    """Read `toolsets/<name>.yaml`: the members, each a server with all of its known tools or some of them."""
    members: list[Member] = []
    for part in section.listed("members"):
        named = part.texts("tools") if part.has("tools") else None
        tools = None if named is None else tuple(ToolId(tool) for tool in named)
        server = ServerId(part.text("server", pattern=NAME))
        if any(member.server == server for member in members):
            part.fault("server", f'"{server}" is a member twice', "merge the two entries")
        members.append(Member(server, tools))
        part.close()
    if not members:
        section.fault("members", "is empty", "name at least one server")
    tenant = TenantId(section.text("tenant", pattern=NAME))
    return Toolset(section.stem, tenant, section.text("title", section.stem), tuple(members))


def bad_members(toolset: Toolset, servers: Mapping[ServerId, Server], file: str) -> Iterator[Problem]:
    """Yield each member that does not exist, or that belongs to another tenant."""
    for index, member in enumerate(toolset.members):
        field = f"members[{index}]"
        server = servers.get(member.server)
        if server is None:
            yield Problem.unknown((file, f"{field}.server"), "server", member.server, servers)
            continue
        # INVARIANT: a toolset never crosses a tenant border; whoever may enter it may know every server in it.
        if server.tenant != toolset.tenant:
            what = f'server "{server.name}" belongs to tenant "{server.tenant}", the toolset to "{toolset.tenant}"'
            yield Problem(file, f"{field}.server", what, "use servers of the toolset's own tenant")
        for tool in member.tools or ():
            if tool not in server.tools:
                yield Problem.unknown((file, f"{field}.tools"), f"known tool of {server.name}", tool, server.tools)
