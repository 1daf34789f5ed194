"""What is held back because its server no longer says what was approved.

The snapshot knows what control state has marked. A process that sees a difference holds it back at once, before that:
until the snapshot says the same, or another definition was approved meanwhile. What a server says later changes
nothing: only a reviewer lets go of it.
"""

from collections.abc import Mapping
from typing import Final

from tallystick.registry import definition
from tallystick.registry import model as registry
from tallystick.snapshot.model import Snapshot
from tallystick.terms import Digest, Reason, Refusal, ServerId, ToolId


class Overlay:
    """What this process has seen to differ and the snapshot does not say yet."""

    __slots__ = ("_approved", "_held")

    def __init__(self) -> None:
        """Start with nothing held."""
        self._held: dict[ServerId, dict[str, registry.Quarantine]] = {}
        self._approved: dict[ServerId, Digest] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, pin: registry.Pin, marks: Mapping[str, registry.Quarantine]) -> None:
        """Hold back tools of a server (or, as "*", all of it) that differ from `pin`."""
        held = self._held.setdefault(pin.server, {})
        for name, mark in marks.items():
            held.setdefault(name, mark)
        self._approved[pin.server] = definition.of_pin(pin).digest

    def renew(self, snapshot: Snapshot) -> None:
        """Let go of what the snapshot holds back itself, and of what was approved or removed since."""
        for server, held in tuple(self._held.items()):
            pin = snapshot.registry.pins.get(server)
            if pin is None or definition.of_pin(pin).digest != self._approved[server]:
                held.clear()
            else:
                for name in pin.quarantined:
                    held.pop(name, None)
            if not held:
                del self._held[server], self._approved[server]

    def of(self, server: ServerId) -> Mapping[str, registry.Quarantine]:
        """Return what is held of a server."""
        return self._held.get(server, _NOTHING)


_NOTHING: Final[Mapping[str, registry.Quarantine]] = {}


def quarantined(
    snapshot: Snapshot | None, overlay: Overlay, server: ServerId, tool: ToolId | None
) -> registry.Quarantine | None:
    """Return why a tool (None: anything else of its server) is held back; None where it is not."""
    pin = snapshot.registry.pins.get(server) if snapshot is not None else None
    if pin is not None and pin.quarantined:
        found = _find(pin.quarantined, tool)
        if found is not None:
            return found
    return _find(overlay.of(server), tool) if overlay else None


def _find(marks: Mapping[str, registry.Quarantine], tool: ToolId | None) -> registry.Quarantine | None:
    return marks.get(definition.SERVER) or (marks.get(tool) if tool is not None else None)


def withheld(quarantine: registry.Quarantine, tool: ToolId | None) -> Refusal:
    """Return the refusal of what is held back. What differs is for the reviewer: a hostile server wrote it."""
    what = "This tool's definition" if tool is not None else "What this server says of itself"
    text = (
        f"{what} changed after it was approved, so it is held back until somebody has reviewed it. "
        "Ask the owner of the server, and quote the record number."
    )
    return Refusal("denied", (Reason.QUARANTINED,), text, f"since {quarantine.since}: {quarantine.why}")
