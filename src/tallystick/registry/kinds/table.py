"""Every kind of resource: its folder, whose it is, and what may stand in it."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from tallystick.registry.kinds.others import AGENT, GRANT, ISSUER, POLICY, ROLE, SECRET, TENANT, WEBHOOK
from tallystick.registry.kinds.server import PIN, SERVER
from tallystick.registry.kinds.shape import Schema
from tallystick.registry.kinds.toolset import TOOLSET

Tenancy = Literal["itself", "one", "optional", "of its server"]


class KindEntry(NamedTuple):
    """One kind. `folder` and `suffix` make its file in a configuration directory (both empty: it has none).

    `tenant`: it is one itself, belongs to one, may belong to one, or to that of the server it is named like. `spec` is
    the JSON Schema of its spec: all that its file holds but its name and its tenant. A `reviewed` one has a lifecycle.
    """

    kind: str
    folder: str
    suffix: str
    tenant: Tenancy
    spec: Schema
    reviewed: bool = False

    @property
    def doc(self) -> str:
        """What it is, in a sentence or two."""
        return str(self.spec["description"])


KINDS: Final[Mapping[str, KindEntry]] = {
    entry.kind: entry
    for entry in (
        KindEntry("Tenant", "tenants", ".yaml", "itself", TENANT),
        KindEntry("Issuer", "issuers", ".yaml", "optional", ISSUER),
        KindEntry("Server", "servers", ".yaml", "one", SERVER, reviewed=True),
        KindEntry("Pin", "pins", ".json", "of its server", PIN),
        KindEntry("Toolset", "toolsets", ".yaml", "one", TOOLSET),
        KindEntry("Policy", "policies", ".cedar", "optional", POLICY),
        KindEntry("Grant", "grants", ".yaml", "one", GRANT, reviewed=True),
        KindEntry("Agent", "agents", ".yaml", "one", AGENT),
        KindEntry("Role", "roles", ".yaml", "optional", ROLE),
        KindEntry("Webhook", "webhooks", ".yaml", "optional", WEBHOOK),
        KindEntry("Secret", "", "", "optional", SECRET),
    )
}
"""In an order in which each kind comes after those that it refers to."""
