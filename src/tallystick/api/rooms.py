"""What the console is given: control state, identity, the record, and the parts of a gateway that it asks.

The Protocols are as narrow as what is used here, so that each may be absent or stand elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tallystick import audit
from tallystick.control import Control, model, webhooks
from tallystick.guard import Flood
from tallystick.identity import Authenticator, TrustedIssuer
from tallystick.snapshot import Snapshot
from tallystick.terms import Clock, Refusal, ServerId, TenantId, ToolId


class Definitions(Protocol):
    """Asks servers what they say of themselves."""

    def scan(self, server: str) -> Awaitable[Refusal | None]:
        """Ask a server now; what it says is compared and marked on its Pin before this returns."""
        ...


class Archive(Protocol):
    """Searches the record."""

    def search(self, query: audit.index.Query) -> Awaitable[Sequence[Mapping[str, object]]]:
        """Return what fits a query, by the columns of the index (`audit.index.COLUMNS`)."""
        ...


class Hooks(Protocol):
    """Receives what ticketing systems send. Blocks."""

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> webhooks.Heard | Refusal | model.Refused:
        """Check and take what was sent to a webhook; header names are in lower case."""
        ...


class Outgoing(Protocol):
    """Tells webhooks what happened."""

    def status(self) -> Sequence[webhooks.HookStatus]:
        """Return how each webhook does. Blocks; raises `TallyError` where control state does not answer."""
        ...


def _no_troubles() -> Mapping[str, str]:
    return {}


def _nothing_held(_server: ServerId, _tool: ToolId | None) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ConsoleRooms:
    """Everything that the console works with.

    `audiences` are the console's own (its public URL): a token for the gateway is none for it. `hosts` are the values
    of Host that are served; empty on a unix socket. `operator` is set there: every request is that account's. `append`
    writes a leaf durably or raises `audit.Unwritable`; `recording` tells beforehand whether it would. `held` tells
    whether a tool, or with None a whole server, is quarantined at this gateway. `troubles` tells what does not work at
    the moment, by name (relay, webhooks, directory), each in a sentence that may hold inner detail.
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
    outgoing: Outgoing | None = None
    gateway_url: str = ""
    """Where clients reach the gateway: the catalog points there. Empty: no catalog."""
    catalog_without_token: bool = True
    held: Callable[[ServerId, ToolId | None], bool] = _nothing_held
    issuers: Callable[[], Sequence[TrustedIssuer]] = tuple
    troubles: Callable[[], Mapping[str, str]] = _no_troubles
