"""Where the current snapshot is held: swapped by reference, so a call keeps the one it began with."""

from collections.abc import Mapping

from tallystick.registry import model as registry
from tallystick.settings import Problem
from tallystick.snapshot.model import Route, RoutedTool, Snapshot
from tallystick.snapshot.quarantine import Overlay, quarantined, withheld
from tallystick.snapshot.resolve import find_route, resolve
from tallystick.terms import Caller, Refusal, ServerId, ToolId


class Holder:
    """The current snapshot, or none yet. A configuration that does not compile leaves the current one in place."""

    __slots__ = ("_overlay", "current")

    def __init__(self) -> None:
        """Start without a snapshot: every route is refused until one is accepted."""
        self.current: Snapshot | None = None
        self._overlay = Overlay()

    def accept(self, compiled: Snapshot | tuple[Problem, ...]) -> Snapshot | tuple[Problem, ...]:
        """Make what `compile_snapshot` gave current at once; on problems nothing changes."""
        if isinstance(compiled, Snapshot):
            self.current = compiled
            self._overlay.renew(compiled)
        return compiled

    def find_route(self, route: str, caller: Caller, now: float) -> Route | Refusal:
        """Return a route of the current snapshot that lets a caller in at `now` (seconds since 1970)."""
        return find_route(self.current, route, caller, now)

    def resolve(self, route: str, name: str, caller: Caller, now: float) -> RoutedTool | Refusal:
        """Return a published tool of the current snapshot, one that is held back too: ask `withheld` before a call."""
        return resolve(self.current, route, name, caller, now)

    def hold(self, pin: registry.Pin, marks: Mapping[str, registry.Quarantine]) -> None:
        """Hold back at once what differs from a pin, by tool ("*": the whole server), until the snapshot does."""
        self._overlay.hold(pin, marks)

    def quarantined(self, server: ServerId, tool: ToolId | None) -> registry.Quarantine | None:
        """Return why a tool, or with None whatever else a server offers, is held back; None where it is not."""
        return quarantined(self.current, self._overlay, server, tool)

    def withheld(self, server: ServerId, tool: ToolId | None) -> Refusal | None:
        """Return the refusal of what is held back, None where it is not."""
        found = self.quarantined(server, tool)
        return None if found is None else withheld(found, tool)
