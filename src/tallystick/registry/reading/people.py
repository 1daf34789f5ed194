"""Reads what is about callers: grants, agents and roles."""

from tallystick.registry.model import CONSOLE_ROLES, Agent, Grant, Role
from tallystick.registry.reading.words import NAME, audience, moment, owner, state, words
from tallystick.settings import Section
from tallystick.terms import ServerId, TenantId, ToolId


def parse_grant(section: Section) -> Grant:
    """Read `grants/<name>.yaml`: who is let in where, what for, and until when."""
    toolset, server = section.text("toolset", "", pattern=NAME), section.text("server", "", pattern=NAME)
    if bool(toolset) == bool(server):
        section.fault("toolset", "exactly one of toolset and server must be set", "keep one of the two")
    tools = tuple(ToolId(tool) for tool in words(section, "tools")) if section.has("tools") else None
    to = audience(section.section("to"))
    if not (to.people or to.groups or to.agents or to.clients):
        section.fault("to", "names nobody", "name people, groups, agents or clients")
    expires = moment(section, "expires")
    return Grant(
        name=section.stem,
        tenant=TenantId(section.text("tenant", pattern=NAME)),
        toolset=toolset or None,
        server=ServerId(server) if server else None,
        tools=tools,
        to=to,
        purpose=section.text("purpose", ""),
        reason=section.text("reason", ""),
        expires=expires[0] if expires else None,
        expires_at=expires[1] if expires else None,
        state=state(section),
    )


def parse_agent(section: Section) -> Agent:
    """Read `agents/<name>.yaml`: a program that calls by itself."""
    return Agent(
        name=section.stem,
        tenant=TenantId(section.text("tenant", pattern=NAME)),
        title=section.text("title", section.stem),
        owner=owner(section),
        purpose=section.text("purpose", ""),
        clients=words(section, "clients"),
    )


def parse_role(section: Section) -> Role:
    """Read `roles/<name>.yaml`: who has which role at the console, in one tenant or everywhere."""
    role = Role(
        name=section.stem,
        tenant=TenantId(section.text("tenant", "", pattern=NAME)),
        role=section.choice("role", CONSOLE_ROLES, "auditor"),
        people=words(section, "people"),
        groups=words(section, "groups"),
        agents=words(section, "agents"),
    )
    if not (role.people or role.groups or role.agents):
        section.fault("people", "nobody has this role", "name people, groups or agents")
    return role
