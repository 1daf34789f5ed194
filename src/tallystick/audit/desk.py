"""What an order to the running writer may do: append leaves, wait, read logs, use the vaults.

Orders are functions `(desk, fields) -> answer`, both JSON objects. They run one at a time in the writer's clerk, beside
commits and publishing. A `TallyError` that one raises is told to whoever gave the order.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tallystick.audit.tlog.tiles import Read
from tallystick.terms import TallyError, TenantId

if TYPE_CHECKING:
    from tallystick.audit.payload import Vault
    from tallystick.audit.signing import Signers


class Standing(NamedTuple):
    """How a tenant's log stands: leaves that are durable, that a checkpoint covers, that a quorum has cosigned.

    `opened` counts the published intents without an outcome; `read` reads the log's files by their relative paths.
    """

    year: int
    origin: str
    size: int
    published: int
    cosigned: int
    opened: int
    read: Read


class Desk(Protocol):
    """What is within reach of an order."""

    @property
    def state(self) -> Path:
        """The state directory."""
        ...

    @property
    def commitment_key(self) -> bytes:
        """The 32-byte key behind commitments and subject references."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def new_id(self) -> str:
        """Return a fresh ULID for a leaf."""
        ...

    def tenants(self) -> list[TenantId]:
        """Return who has a log."""
        ...

    def standing(self, tenant: TenantId, year: int | None = None) -> Standing:
        """Return how a log of a tenant stands, the newest or that of a year; raises TallyError where it is not open."""
        ...

    def append(self, tenant: TenantId, leaf: bytes) -> int:
        """Append a leaf and return its index once it is durable; raises Unwritable."""
        ...

    def published(self, tenant: TenantId, year: int, index: int) -> None:
        """Wait until a checkpoint covers a leaf; raises Unwritable."""
        ...

    def vault(self, tenant: TenantId) -> "Vault":
        """Return the payload store of a tenant; raises TallyError where payloads are not kept."""
        ...

    def beat(self) -> dict[TenantId, int]:
        """Append a heartbeat to every open log; return the index of each."""
        ...

    def uptime(self) -> float:
        """Seconds since the writer has started."""
        ...

    @property
    def signing(self) -> "Signers":
        """The keys that sign checkpoints."""
        ...

    def settle_keys(self) -> None:
        """Carry out a change of the signing keys whose leaves are published, and show the new verifier keys."""
        ...


Fields = Mapping[str, object]
"""A JSON object: an order, or the answer to one."""

Order = Callable[[Desk, Fields], Fields]


def text_of(fields: Fields, name: str) -> str:
    """Return a field of an order that must be a text; raises TallyError ("invalid")."""
    found = fields.get(name)
    if not isinstance(found, str) or not found:
        message = f"the order has no text {name!r}"
        raise TallyError(code="invalid", message=message)
    return found


def number_of(fields: Fields, name: str) -> int:
    """Return a field of an order that must be a whole number from 0 on; raises TallyError ("invalid")."""
    found = fields.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        message = f"the order has no number {name!r}"
        raise TallyError(code="invalid", message=message)
    return found


def tenant_of(fields: Fields) -> TenantId:
    """Return the tenant that an order names; raises TallyError ("invalid")."""
    return TenantId(text_of(fields, "tenant"))
