"""Reads tenants and issuers."""

from tallystick.registry.model import IssuerEntry, Tenant
from tallystick.registry.reading.words import NAME, URL
from tallystick.settings import Section
from tallystick.terms import TenantId

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
        issuer=section.text("issuer", pattern=URL),
        tenant=TenantId(tenant) if tenant else None,
        tenant_claim=tenant_claim,
        algorithms=algorithms,
        subject_claim=section.text("subject_claim", "sub"),
        groups_claim=section.text("groups_claim", "groups"),
        client_claim=section.text("client_claim", ""),
        agent_claim=section.text("agent_claim", ""),
        agent_value=section.text("agent_value", "true"),
        jwks_uri=section.text("jwks_uri", "", pattern=URL),
        allow_special_addresses=section.flag("allow_special_addresses", default=False),
    )
