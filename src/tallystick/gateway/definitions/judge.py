"""What follows from what was heard: pure, so that it can be done wherever there is time for it."""

from collections.abc import Mapping
from typing import NamedTuple

from tallystick.gateway.definitions.observe import LISTS, Heard, said_of
from tallystick.registry import definition
from tallystick.terms import Refusal
from tallystick.wire import ERAS, Era


class Approved(NamedTuple):
    """What was pinned, and is to be heard again: in an `era`, against what was pinned of `version`."""

    pinned: definition.Definition
    era: Era
    version: str
    said: definition.model.Said

    @property
    def wanted(self) -> tuple[definition.model.Part, ...]:
        """The lists to ask for: those that were pinned, but for prompts and templates of a server that offers none."""
        capabilities = definition.plain.object_of(self.pinned.opened.get(self.version, {}).get("capabilities"))
        offered = {"prompts": "prompts" in capabilities, "resource_templates": "resources" in capabilities}
        return tuple(
            [part for part in LISTS if self.said.items(part) or (part in offered and self._asks(part, offered))]
        )

    def _asks(self, part: definition.model.Part, offered: Mapping[str, bool]) -> bool:
        return self.said.items(part) is not None and offered[part]


class Judged(NamedTuple):
    """How what was heard differs, and what approving it would pin."""

    difference: definition.model.Difference
    observed: definition.Definition


def approved(pinned: definition.Definition, era: Era) -> Approved | None:
    """Return what a server has to say to a client of `era`; None where nothing was ever pinned.

    Where its lists in the client's kind of era were never pinned, the server is asked in the newest one that was.
    """
    for version, said in pinned.eras.items():
        if version in ERAS and ERAS[version].sessions == era.sessions and said.tools is not None:
            return Approved(pinned, era, version, said)
    return next(
        (Approved(pinned, ERAS[version], version, said) for version, said in pinned.eras.items() if version in ERAS),
        None,
    )


def judge(known: Approved, heard: Heard) -> Judged | Refusal:
    """Compare what was heard with what was approved; refused where it cannot be read in one way only."""
    found = said_of(heard)
    if isinstance(found, Refusal):
        return found
    said, opened = found
    pinned = known.pinned
    observed = definition.read.definition_of(
        pinned.server,
        {**pinned.eras, known.version: said},
        {**pinned.opened, **({known.version: opened} if said.introduced else {})},
    )
    return Judged(definition.compare(known.said, said, observed.digest), observed)
