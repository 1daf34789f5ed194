"""What the corridor is given: the live objects of the rooms below, put together once by wiring."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from tallystick.audit import model
from tallystick.gateway.client import Questions
from tallystick.gateway.context import Recording
from tallystick.gateway.definitions import Watch
from tallystick.gateway.sealing import Keeper, Sessions
from tallystick.gateway.upstream import Cancellation, Upstream
from tallystick.guard import Bulkhead, Flood
from tallystick.identity import Authenticator
from tallystick.snapshot import Holder
from tallystick.terms import Clock, Refusal, ServerId, TenantId


class Stirred(Protocol):
    """An open stream, which is to look at the snapshot again."""

    def stir(self) -> None:
        """Look again, soon."""
        ...


@dataclass(frozen=True, slots=True)
class Streams:
    """The open streams of this process, bounded in all (`at_most`) and per caller (by the bulkhead)."""

    bulkhead: Bulkhead
    at_most: int
    open: set[Stirred] = field(default_factory=set[Stirred])

    def stir(self) -> None:
        """Have every stream look at the snapshot again."""
        for stream in self.open:
            stream.stir()


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms behind one gateway.

    `authenticator` is a function because trusted issuers are part of the snapshot and change with it; so does
    `upstreams`.
    `platform` is the tenant whose log holds refusals that belong to no tenant's route. `public_url` has no trailing
    slash.
    """

    clock: Clock
    holder: Holder
    authenticator: Callable[[], Authenticator]
    upstreams: Callable[[], Mapping[ServerId, Upstream]]
    recorder: model.Recorder
    commitment_key: bytes
    sessions: Sessions
    keeper: Keeper
    bulkhead: Bulkhead
    streams: Streams
    watch: Watch
    public_url: str
    platform: TenantId
    recording: Recording = field(default_factory=Recording)
    flood: Flood = field(default_factory=Flood)
    unsent: Callable[[TenantId], Refusal | None] = lambda _: None
    """Why a tenant's calls must wait for a system outside that has to have the record."""
    questions: Questions = field(default_factory=Questions)
    under_way: dict[tuple[str, int | str], Cancellation] = field(
        default_factory=dict[tuple[str, int | str], Cancellation]
    )

    def audiences(self, route: str) -> frozenset[str]:
        """Return the audiences that a token for a route may name: the route's own resource, or the whole gateway."""
        return _audiences(self.public_url, self.resource(route))

    def resource(self, route: str) -> str:
        """Return the resource identifier of a route (RFC 8707, RFC 9728): its endpoint's URL."""
        return f"{self.public_url}/{route}/mcp"


@lru_cache(maxsize=1024)
def _audiences(*resources: str) -> frozenset[str]:
    # Kept, so that its hash, by which every caller is looked up, is found once.
    return frozenset(resources)
