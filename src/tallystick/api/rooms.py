"""What the console is given: control state, identity, the record, and the parts of a gateway that it asks.

The Protocols are as narrow as what is used here, so that each may be absent or stand elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from starlette.types import ASGIApp

from tallystick.control import entries, model
from tallystick.guard import Flood
from tallystick.identity import Authenticator
from tallystick.snapshot import Snapshot
from tallystick.terms import Clock, Refusal, TenantId


class ControlState(Protocol):
    """Control state as the console uses it. Every method blocks, and may raise TallyError("unavailable")."""

    def head(self) -> int:
        """Return the newest revision."""
        ...

    def published(self) -> int:
        """Return the newest revision that is wholly on record."""
        ...

    def get(self, key: model.Key, revision: int | None = None) -> model.Resource | None:
        """Return one resource."""
        ...

    def all(self, revision: int | None = None) -> Mapping[model.Key, model.Resource]:
        """Return everything."""
        ...

    def page(self, kind: model.Kind, where: entries.Where, after: str | None, limit: int) -> model.Page:
        """Return some resources of a kind, in order of name."""
        ...

    def commit(
        self, changes: tuple[model.Change, ...], actor: model.Actor, why: str = ""
    ) -> model.Committed | model.Refused:
        """Make changes, all or none."""
        ...

    def plan(self, changes: tuple[model.Change, ...], actor: model.Actor) -> model.Committed | model.Refused:
        """Return what committing them would answer."""
        ...

    def history(self, key: model.Key | None = None, after: int = 0, limit: int = 100) -> tuple[entries.Entry, ...]:
        """Return what was changed after a revision, oldest first."""
        ...

    def reviews(self, key: model.Key) -> tuple[entries.Review, ...]:
        """Return the steps of a resource, oldest first."""
        ...

    def wait(self, after: int, seconds: float) -> int:
        """Return the newest revision in force, once it is greater than `after` or the time is over."""
        ...

    def idempotent(self, name: str, actor: str, digest: str) -> entries.Stored | entries.Mismatch | None:
        """Return the answer that a request with this key got."""
        ...

    def remember(self, name: str, actor: str, digest: str, stored: entries.Stored) -> None:
        """Keep the answer of a request with a key."""
        ...


class Definitions(Protocol):
    """Asks servers what they say of themselves."""

    def scan(self, server: str) -> Awaitable[Refusal | None]:
        """Ask a server now; what it says is compared and marked on its Pin before this returns."""
        ...


class Row(NamedTuple):
    """One leaf that a search in the record found."""

    tenant: TenantId
    year: int
    index: int
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

    `audiences` are the console's own (its public URL): a token for the gateway is none for it. `hosts` are the values of
    Host that are served; empty on a unix socket. `operator` is set there: every request is that account's. `append`
    writes a leaf durably or raises `audit.Unwritable`; `recording` tells beforehand whether it would.
    """

    control: ControlState
    authenticator: Callable[[], Authenticator]
    snapshot: Callable[[], Snapshot | None]
    append: Callable[[TenantId, bytes], Awaitable[int]]
    recording: Callable[[], bool]
    clock: Clock
    new_id: Callable[[], str]
    platform: TenantId
    audiences: frozenset[str]
    hosts: frozenset[str]
    version: str = ""
    operator: str = ""
    publish_s: float = 10.0
    """Seconds that a change may take to be on record before its answer says that it is not yet."""
    flood: Flood = field(default_factory=Flood)
    definitions: Definitions | None = None
    archive: Archive | None = None
    hooks: Hooks | None = None
    catalog: ASGIApp | None = None
