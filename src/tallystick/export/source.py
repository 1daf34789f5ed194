"""The logs of one state directory, as a follower sees them: published files, read-only."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tallystick.audit import offline
from tallystick.export.model import Place

Read = Callable[[str], bytes | None]


class Source(Protocol):
    """Where published logs are."""

    def places(self) -> Sequence[Place]:
        """All logs there are now, tenant by tenant, years in their order."""
        ...

    def read(self, place: Place) -> Read:
        """How the files of a log are read."""
        ...


class Directory:
    """The logs below `<state>/audit/<tenant>/<year>`."""

    def __init__(self, state: Path) -> None:
        self._root = state / "audit"

    def places(self) -> list[Place]:
        """All logs there are now."""
        found = [path.parent for path in self._root.glob("*/*/checkpoint")]
        return sorted(Place(path.parent.name, int(path.name)) for path in found if path.name.isdecimal())

    def read(self, place: Place) -> Read:
        """How the files of a log are read."""
        return offline.reader(self._root / place.tenant / str(place.year))
