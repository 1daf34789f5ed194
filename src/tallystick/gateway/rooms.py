"""What the corridor is given: the live objects of the rooms below, put together once by wiring."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tallystick.audit import Recorder
from tallystick.gateway.session import Sealer
from tallystick.gateway.upstream import Cancellation, Upstream
from tallystick.guard import Bulkhead
from tallystick.identity import Authenticator
from tallystick.snapshot import Holder
from tallystick.terms import Clock, ServerId, TenantId


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
    recorder: Recorder
    commitment_key: bytes
    sealer: Sealer
    bulkhead: Bulkhead
    public_url: str
    platform: TenantId
    under_way: dict[tuple[str, int | str], Cancellation] = field(
        default_factory=dict[tuple[str, int | str], Cancellation]
    )

    def audiences(self, route: str) -> frozenset[str]:
        """Return the audiences that a token for a route may name: the route's own resource, or the whole gateway."""
        return frozenset({self.public_url, self.resource(route)})

    def resource(self, route: str) -> str:
        """Return the resource identifier of a route (RFC 8707, RFC 9728): its endpoint's URL."""
        return f"{self.public_url}/{route}/mcp"
