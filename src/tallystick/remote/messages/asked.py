"""What is sent to the API: bodies and query parameters."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tallystick.remote.messages.resources import Kind, Name, State, TenantName, Text, Time, Whole

Limit = Annotated[int, Meta(ge=1, le=500, description="items at most")]
Cursor = Annotated[str, Meta(max_length=512, description="`next` of the page before, with the same filters")]
Words = Annotated[str, Meta(max_length=256, description="words that all have to be found")]
LabelIs = Annotated[str, Meta(pattern="^[^=]{1,256}=.{0,256}$", description="<label>=<value>")]
Operation = Literal["read", "write", "delete", "execute"]
Risk = Literal["low", "medium", "high", "critical"]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No query parameters."""


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where in a list."""

    limit: Limit = 100
    cursor: Cursor = ""


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A list of resources and its filters."""

    limit: Limit = 100
    cursor: Cursor = ""
    tenant: TenantName | None = None
    state: State | None = None
    owner: Annotated[str, Meta(max_length=256)] | None = None
    label: LabelIs | None = None
    q: Words = ""


class Search(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A search over servers and their tools."""

    q: Words = ""
    of: Literal["servers", "tools"] | None = None
    tenant: TenantName | None = None
    state: State | None = None
    owner: Annotated[str, Meta(max_length=256)] | None = None
    label: Annotated[str, Meta(max_length=513)] | None = None
    operation: Operation | None = None
    risk: Risk | None = None
    classification: Annotated[str, Meta(max_length=64)] | None = None
    limit: Limit = 100
    cursor: Cursor = ""


class Dry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a change is made. `dry_run`: say what would happen, and change nothing. `take_over`: have what another owner
    holds. `why` is kept with the change.
    """

    dry_run: bool = False
    take_over: bool = False
    why: Annotated[str, Meta(max_length=1024)] = ""


class Following(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The history, from after a revision on."""

    after: Whole = 0
    limit: Limit = 100
    cursor: Cursor = ""
    kind: Kind | None = None
    name: Name | None = None


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to export; without filters everything that the caller may read."""

    tenant: TenantName | None = None
    kind: Kind | None = None
    owner: Annotated[str, Meta(max_length=256)] | None = None


class ToolSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A search over tools."""

    q: Words = ""
    tenant: TenantName | None = None
    state: State | None = None
    owner: Annotated[str, Meta(max_length=256)] | None = None
    label: Annotated[str, Meta(max_length=513)] | None = None
    operation: Operation | None = None
    risk: Risk | None = None
    classification: Annotated[str, Meta(max_length=64)] | None = None
    limit: Limit = 100
    cursor: Cursor = ""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A search in the record of one tenant (empty: of all), newest first. Times are RFC 3339, UTC, or their beginnings;
    `until` is exclusive, so the time of the last one found is where to go on.
    """

    tenant: TenantName = ""
    kind: Annotated[str, Meta(pattern="^[a-z_]{1,16}$")] | None = None
    since: Time | None = None
    until: Time | None = None
    person: Annotated[str, Meta(max_length=512)] | None = None
    server: Annotated[str, Meta(max_length=63)] | None = None
    tool: Annotated[str, Meta(max_length=512)] | None = None
    limit: Limit = 100


class Denied(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was refused in one tenant (empty: in all), newest first."""

    tenant: TenantName = ""
    since: Time | None = None
    until: Time | None = None
    person: Annotated[str, Meta(max_length=512)] | None = None
    limit: Limit = 100


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A step of the lifecycle. `definition` is the digest of the definitions that the reviewer looked at."""

    to: State
    comment: Text = ""
    conditions: Annotated[list[Text], Meta(max_length=32)] = msgspec.field(default_factory=list[str])
    expires: Time | None = None
    definition: Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")] | None = None


class Documents(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Documents to be applied: each with apiVersion, kind, metadata and spec.

    `owner` is who has them from now on (`git:<name>`; empty: nobody). `prune` removes what that owner has and the
    documents lack.
    """

    documents: Annotated[list[dict[str, object]], Meta(max_length=10_000)]
    owner: Annotated[str, Meta(pattern="^(git:[a-z0-9][a-z0-9-]{0,62})?$")] = ""
    prune: bool = False
    take_over: bool = False
    dry_run: bool = False
    why: Annotated[str, Meta(max_length=1024)] = ""


class Ability(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question: may the caller do this? `action` is `<noun>:<verb>`; without a name, to any of the tenant's."""

    action: Annotated[str, Meta(pattern="^[a-z_]{1,32}:[a-z_]{1,32}$")]
    tenant: TenantName = ""
    kind: Kind | None = None
    name: Name | None = None
