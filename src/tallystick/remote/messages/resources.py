"""Resources, their history and their reviews.

Names are those of docs/reference/resources.md. Times are RFC 3339, UTC.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

API_VERSION: Final = "tallystick.dev/v1"

Kind = Literal[
    "Tenant",
    "Issuer",
    "Server",
    "Pin",
    "Toolset",
    "Policy",
    "Grant",
    "Agent",
    "Role",
    "Webhook",
    "Secret",
]
State = Literal["draft", "in_review", "approved", "suspended", "retired"]

PLURALS: Final[dict[str, Kind]] = {
    "tenants": "Tenant",
    "issuers": "Issuer",
    "servers": "Server",
    "pins": "Pin",
    "toolsets": "Toolset",
    "policies": "Policy",
    "grants": "Grant",
    "agents": "Agent",
    "roles": "Role",
    "webhooks": "Webhook",
    "secrets": "Secret",
}
"""Path of a kind's collection -> the kind."""

REVIEWED: Final[frozenset[Kind]] = frozenset({"Server", "Grant"})
"""Kinds with a lifecycle."""

NAME: Final = "^[a-z0-9][a-z0-9-]{0,62}$"
Name = Annotated[
    str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="name of a resource, unique per kind")
]
TenantName = Annotated[
    str, Meta(pattern="^([a-z0-9][a-z0-9-]{0,62})?$", description="name of a tenant; empty: the whole installation")
]
Text = Annotated[str, Meta(max_length=4096)]
Time = Annotated[str, Meta(max_length=40, description="RFC 3339, UTC")]
Label = Annotated[str, Meta(max_length=256)]
Labels = Annotated[dict[Label, Label], Meta(max_length=64)]
Whole = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a resource is called and whose it is. All but name, tenant and labels is said by Tallystick: it may be sent
    back as it was read, and is not looked at.
    """

    name: Name
    tenant: TenantName = ""
    labels: Labels = msgspec.field(default_factory=dict[str, str])
    owner: Text = ""
    version: Whole = 0
    revision: Whole = 0
    created: Time = ""
    changed: Time = ""


class Status(msgspec.Struct, frozen=True):
    """What Tallystick says of a resource: where it stands, what it marked it with, and what its notices are."""

    state: State = "approved"
    marks: dict[str, object] = msgspec.field(default_factory=dict[str, object])
    notices: list[str] = msgspec.field(default_factory=list[str])


class Resource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One resource. `spec` is what its file would hold, without name and tenant. `status` is never looked at in what is
    sent.
    """

    kind: Kind
    metadata: Metadata
    spec: dict[str, object]
    api_version: Literal["tallystick.dev/v1"] = msgspec.field(default=API_VERSION, name="apiVersion")
    status: Status | None = None


class Resources(msgspec.Struct, frozen=True):
    """One page of a list. `next` is the cursor of the next one; absent at the end."""

    items: list[Resource]
    next: str | None = None


class Change(msgspec.Struct, frozen=True):
    """One change of one resource, as it is in the history. Null `before`: new; null `after`: removed."""

    revision: int
    at: str
    actor: str
    why: str
    kind: Kind
    name: str
    tenant: str
    before: Resource | None = None
    after: Resource | None = None


class Changes(msgspec.Struct, frozen=True):
    """One page of the history, oldest first."""

    items: list[Change]
    next: str | None = None


class Review(msgspec.Struct, frozen=True):
    """A step that somebody took, or that its gates refused (`unmet`)."""

    kind: Kind
    name: str
    tenant: str
    at: str
    actor: str
    before: str
    to: State
    comment: str = ""
    conditions: list[str] = msgspec.field(default_factory=list[str])
    expires: str | None = None
    definition: str | None = None
    unmet: list[str] = msgspec.field(default_factory=list[str])
    revision: int = 0


class Reviews(msgspec.Struct, frozen=True):
    """Reviews, oldest first."""

    items: list[Review]
    next: str | None = None
