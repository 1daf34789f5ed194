"""What the console is given: control state, identity, the record, and the parts of a gateway that it asks.

The Protocols are as narrow as what is used here, so that each may be absent or stand elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from starlette.types import ASGIApp

from tallystick.control import Control, model
from tallystick.guard import Flood
from tallystick.identity import Authenticator, TrustedIssuer
from tallystick.snapshot import Snapshot
from tallystick.terms import Clock, Refusal, TenantId


class Definitions(Protocol):
    """Asks servers what they say of themselves."""

    def scan(self, server: str) -> Awaitable[Refusal | None]:
        """Ask a server now; what it says is compared and marked on its Pin before this returns."""
        ...


class Row(NamedTuple):
    """One leaf that a search in the record found; `number` is its index in the log of that year."""

    tenant: TenantId
    year: int
    number: int
    leaf: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search in one tenant's record. Times are RFC 3339; `before` is where the page before ended."""

    tenant: TenantId
    kind: str | None = None
    since: str | None = None
    until: str | None = None
    subject: str | None = None
    server: str | None = None
    tool: str | None = None
    before: tuple[int, int] | None = None
    limit: int = 100


class Archive(Protocol):
    """Searches the record."""

    def search(self, wanted: Wanted) -> Awaitable[tuple[Row, ...]]:
        """Return leaves, newest first."""
        ...


class Heard(NamedTuple):
    """What an inbound webhook did: the step that was taken (None: it spoke of none) and the revision it made."""

    step: str | None = None
    revision: int | None = None


class Hooks(Protocol):
    """Receives what ticketing systems send. Blocks."""

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> Heard | Refusal | model.Refused:
        """Check and take what was sent to a webhook; header names are in lower case."""
        ...


@dataclass(frozen=True, slots=True)
class ConsoleRooms:
    """Everything that the console works with.

    `audiences` are the console's own (its public URL): a token for the gateway is none for it. `hosts` are the values
    of Host that are served; empty on a unix socket. `operator` is set there: every request is that account's. `append`
    writes a leaf durably or raises `audit.Unwritable`; `recording` tells beforehand whether it would.
    """

    control: Control
    authenticator: Callable[[], Authenticator]
    snapshot: Callable[[], Snapshot | None]
    append: Callable[[TenantId, bytes], Awaitable[int]]
    recording: Callable[[], bool]
    clock: Clock
    new_id: Callable[[], str]
    platform: TenantId
    audiences: frozenset[str]
    hosts: frozenset[str]
    public_url: str = ""
    version: str = ""
    operator: str = ""
    publish_s: float = 10.0
    """Seconds that a change may take to be on record before its answer says that it is not yet."""
    flood: Flood = field(default_factory=Flood)
    definitions: Definitions | None = None
    archive: Archive | None = None
    hooks: Hooks | None = None
    catalog: ASGIApp | None = None
    issuers: Callable[[], Sequence[TrustedIssuer]] = tuple
