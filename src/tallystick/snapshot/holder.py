"""Where the current snapshot is held: swapped by reference, so a call keeps the one it began with."""

from tallystick.settings import Problem
from tallystick.snapshot.model import Route, RoutedTool, Snapshot
from tallystick.snapshot.resolve import find_route, resolve
from tallystick.terms import Refusal, TenantId


class Holder:
    """The current snapshot, or none yet. A configuration that does not compile leaves the current one in place."""

    __slots__ = ("current",)

    def __init__(self) -> None:
        """Start without a snapshot: every route is refused until one is accepted."""
        self.current: Snapshot | None = None

    def accept(self, compiled: Snapshot | tuple[Problem, ...]) -> Snapshot | tuple[Problem, ...]:
        """Make what `compile_snapshot` gave current at once; on problems nothing changes."""
        if isinstance(compiled, Snapshot):
            self.current = compiled
        return compiled

    def find_route(self, route: str, tenant: TenantId) -> Route | Refusal:
        """Return a route of the current snapshot."""
        return find_route(self.current, route, tenant)

    def resolve(self, route: str, name: str, tenant: TenantId) -> RoutedTool | Refusal:
        """Return a published tool of the current snapshot."""
        return resolve(self.current, route, name, tenant)
