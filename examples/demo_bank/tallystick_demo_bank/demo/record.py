"""Reading the record while it grows, through the offline door: files only, as an auditor reads them."""

import math
from collections.abc import Mapping
from pathlib import Path

import anyio

from tallystick.audit import offline
from tallystick.terms import TallyError
from tallystick_demo_bank.demo.model import Recorded, Step

PATIENCE_S = 5
"""Seconds until a leaf must be published; the writer publishes five times a second."""
_LOOK_S = 0.05


class Record:
    """The leaves of one log, found step by step: steps are played one after the other, so their leaves are in order."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._leaves: list[dict[str, object]] = []
        self._next = 0

    async def find(self, step: Step) -> Recorded | None:
        """Return what is recorded of a step, waiting a while for it; later steps are looked for behind it."""
        deadline = anyio.current_time() + PATIENCE_S
        while True:
            found = self._find(step)
            if found is not None:
                self._next = found.index + 1
                return found
            if anyio.current_time() >= deadline:
                return None
            await anyio.sleep(_LOOK_S)
            self._read()

    def leaves(self) -> list[dict[str, object]]:
        """Return every leaf so far."""
        self._read()
        return self._leaves

    def _read(self) -> None:
        try:
            size = offline.size_of(self.directory)
            for _, leaf in offline.read_leaves(self.directory, range(len(self._leaves), size)):
                self._leaves.append(offline.read_fields(leaf))
        except (TallyError, OSError):
            return  # tiles are replaced while we read: the next look sees them whole

    def _find(self, step: Step) -> Recorded | None:
        for index in range(self._next, len(self._leaves)):
            fields = self._leaves[index]
            if not _is_about(fields, step):
                continue
            if fields["kind"] != "intent":
                return Recorded(index, fields)
            endings = (at for at in range(index, len(self._leaves)) if self._leaves[at].get("intent") == index)
            ending = next(endings, math.inf)
            return Recorded(index, fields, int(ending), self._leaves[int(ending)]) if ending < math.inf else None
        return None


def _is_about(fields: Mapping[str, object], step: Step) -> bool:
    caller = fields.get("caller")
    if not offline.is_fields(caller) or caller.get("subject") != step.who:
        return False
    if (fields.get("route"), fields.get("era"), fields.get("method")) != (step.route, step.era, step.method):
        return False
    # A call of something that is not there is refused before it has the name of a tool.
    nameless = fields["kind"] == "denial" and "tool" not in fields
    named = step.tool in (None, fields.get("tool"), f"{fields.get('server')}__{fields.get('tool')}")
    return (named or nameless) and fields["kind"] in ("intent", "denial", "outcome")
