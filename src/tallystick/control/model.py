"""The words of control state: resources, what changes them, who does it, and how that ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from tallystick.settings import Problem
from tallystick.terms import TenantId

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
"""What a resource is. A `Pin` is named like its server: the definitions of it that were approved."""

State = Literal["draft", "in_review", "approved", "suspended", "retired"]
"""Where a Server or a Grant stands. Every other kind is `approved` as soon as it is there."""

REVIEWED: Final[frozenset[Kind]] = frozenset({"Server", "Grant"})
"""Kinds with a lifecycle."""

EVERYWHERE: Final = TenantId("")
"""Stands where others have a tenant: the resource is of the whole installation."""

FREE: Final = ""
"""The owner of a resource that anybody with the right may edit."""
DIRECTORY: Final = "directory"
"""The owner of what came from the configuration directory."""


class Key(NamedTuple):
    """What names a resource in the whole installation."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        """Return it as people write it: `server/risk`."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as it is.

    `spec` is what its file would hold, without name and tenant. `version` counts its changes from 1 (its ETag);
    `revision` is that of the whole state at its last change. `status` is what Tallystick says of it: for a pin
    `quarantined`, for a reviewed kind `review` (see the reviews). Times are RFC 3339, UTC.
    """

    kind: Kind
    name: str
    tenant: TenantId
    spec: Mapping[str, object]
    labels: Mapping[str, str]
    owner: str
    state: State
    version: int
    revision: int
    created: str
    changed: str
    status: Mapping[str, object]

    @property
    def key(self) -> Key:
        """What names it."""
        return Key(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Put:
    """Create a resource or replace its spec. `expected` is the version it must have: 0 for none yet, None for any.

    `state` is for owners whose word is the approval (the directory); None leaves a known one's state, and starts a new
    one of a reviewed kind as a draft. `take_over` lets `owner` have what another one owned.
    """

    kind: Kind
    name: str
    tenant: TenantId
    spec: Mapping[str, object]
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    owner: str = FREE
    expected: int | None = None
    state: State | None = None
    take_over: bool = False

    @property
    def key(self) -> Key:
        """What names the resource."""
        return Key(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a resource; its history stays."""

    key: Key
    owner: str = FREE
    expected: int | None = None
    take_over: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """Move a reviewed resource to another state, if its gates are met. `expires` ends an approval by itself (RFC 3339).

    `definition` is the digest of the definitions that a server's reviewer saw: those are pinned, or none.
    """

    key: Key
    to: State
    comment: str = ""
    conditions: tuple[str, ...] = ()
    expires: str | None = None
    definition: str | None = None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Say something of a resource, by `status` name: a quarantine, an observed definition. None takes it back.

    Tallystick itself says it, so it touches neither the spec nor the version that people edit against.
    """

    key: Key
    status: Mapping[str, object]


Change = Put | Remove | Step | Mark


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something. `caller` is the record's form of a signed-in caller; else `operator` names the account
    on the machine, or the part of Tallystick that acts by itself (`tallystick/drift`). `roles` are its console roles
    where it acts, as the surface that signed it in found them; they are not kept. Four eyes compare names, and those of
    the people on whose word alone it is taken for somebody (`vouched`, not kept either). `everywhere` are those of its
    roles that it has in the whole installation.
    """

    name: str
    operator: str = ""
    caller: Mapping[str, object] | None = None
    roles: tuple[str, ...] = ()
    vouched: tuple[str, ...] = ()
    everywhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """What a commit did to one resource. Null `after`: removed; null `before`: new."""

    key: Key
    before: Resource | None
    after: Resource | None


@dataclass(frozen=True, slots=True)
class Committed:
    """A change that is in the database. It is in force when `revision` is published."""

    revision: int
    changes: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A change that somebody else's change, owner or gate stands against; nothing was written.

    `why`: `version` (somebody changed it meanwhile), `owned` (another owner's), `missing`, `gate` (a step's gates, in
    `unmet`, or a step that the table does not have), `used` (others refer to it).
    """

    key: Key
    why: Literal["version", "owned", "missing", "gate", "used"]
    text: str
    version: int = 0
    unmet: tuple[str, ...] = ()


Refused = Conflict | tuple[Problem, ...]
"""Why a change was not made: a conflict, or everything that is wrong with what was sent."""


class Page(NamedTuple):
    """Some resources in order of name, and where the next ones begin (None at the end)."""

    resources: tuple[Resource, ...]
    after: str | None
