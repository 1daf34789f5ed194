"""Who calls: a person or an autonomous agent, through which actors, client and tenant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tallystick.terms.names import TenantId


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified identity.

    `actors` is the RFC 8693 `act` chain, outermost (current) actor first: the agents through which the subject acts.
    `authority` is the SHA-256 (hex) of every verified claim that can change a decision: equal authority, equal rights.
    `claims` are the token's verified claims, read-only. `expires_at` is in seconds since the Unix epoch.
    """

    subject: str
    kind: Literal["person", "agent"]
    tenant: TenantId
    issuer: str
    client: str
    authority: str
    expires_at: float
    actors: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    claims: Mapping[str, object] = field(default_factory=dict[str, object])

    def __post_init__(self) -> None:
        # INVARIANT: an empty identity cannot be represented; whatever failed upstream of here can never become "nobody,
        # allowed".
        if not (self.subject.strip() and self.tenant and self.issuer and self.client and self.authority):
            msg = "a caller has a subject, a tenant, an issuer, a client and an authority"
            raise ValueError(msg)
