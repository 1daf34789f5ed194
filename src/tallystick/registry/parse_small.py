"""Reads tenants, issuers and toolsets."""

from tallystick.registry.model import IssuerEntry, Member, Tenant, Toolset
from tallystick.settings import Section
from tallystick.terms import ServerId, TenantId, ToolId

NAME = r"[a-z0-9][a-z0-9-]{0,62}"
"""Names of tenants, issuers, servers and toolsets: safe in a URL, a file name and (no underscore) before `__`."""
ALGORITHMS = ("EdDSA", "ES256", "RS256")


def parse_tenant(section: Section) -> Tenant:
    """Read `tenants/<name>.yaml`: title, jurisdiction, parent."""
    parent = section.text("parent", "", pattern=NAME)
    return Tenant(
        name=TenantId(section.stem),
        title=section.text("title", section.stem),
        jurisdiction=section.text("jurisdiction", ""),
        parent=TenantId(parent) if parent else None,
    )


def parse_issuer(section: Section) -> IssuerEntry:
    """Read `issuers/<name>.yaml`: which tokens are trusted and how their claims are read."""
    tenant = section.text("tenant", "", pattern=NAME)
    tenant_claim = section.text("tenant_claim", "")
    if bool(tenant) == bool(tenant_claim):
        section.fault("tenant", "exactly one of tenant and tenant_claim must be set", "keep one of the two")
    algorithms = section.texts("algorithms", ALGORITHMS)
    if not algorithms or not set(algorithms) <= set(ALGORITHMS):
        section.fault("algorithms", f"{list(algorithms)} is not allowed", f"choose some of {', '.join(ALGORITHMS)}")
    return IssuerEntry(
        name=section.stem,
        issuer=section.text("issuer", pattern=r"https?://[!-~]+"),
        tenant=TenantId(tenant) if tenant else None,
        tenant_claim=tenant_claim,
        algorithms=algorithms,
        subject_claim=section.text("subject_claim", "sub"),
        groups_claim=section.text("groups_claim", "groups"),
        client_claim=section.text("client_claim", ""),
        agent_claim=section.text("agent_claim", ""),
        agent_value=section.text("agent_value", "true"),
        jwks_uri=section.text("jwks_uri", "", pattern=r"https?://[!-~]+"),
        allow_special_addresses=section.flag("allow_special_addresses", default=False),
    )


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
