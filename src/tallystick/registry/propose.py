"""What a server says of a tool (MCP ToolAnnotations) to proposals that a person accepts or not.

Nothing here decides anything: a compilation never reads annotations, because they are the server's own word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.registry.model import Operation, Reversibility, Risk
from tallystick.registry.plain import as_object

_HINTS: Final = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")


@dataclass(frozen=True, slots=True)
class Proposal:
    """Values for a reviewer to look at; None where the server says nothing to go by. `because` says what it said."""

    operation: Operation | None = None
    risk: Risk | None = None
    reversibility: Reversibility | None = None
    sources: tuple[str, ...] = ()
    because: tuple[str, ...] = ()

    @property
    def fields(self) -> Mapping[str, object]:
        """What would be written into the tool's entry in its server's document, without what is unknown."""
        said = {"operation": self.operation, "risk": self.risk, "reversibility": self.reversibility}
        whole: dict[str, object] = {name: value for name, value in said.items() if value is not None}
        return whole | ({"sources": list(self.sources)} if self.sources else {})


def propose(definition: Mapping[str, object]) -> Proposal:
    """Return what the annotations of an MCP tool object suggest; hints that contradict each other suggest nothing."""
    annotations = as_object(definition.get("annotations"))
    hints = {name: value for name in _HINTS if isinstance(value := annotations.get(name), bool)}
    because = tuple(f"{name} is {str(value).lower()}" for name, value in hints.items())
    reads, destroys = hints.get("readOnlyHint"), hints.get("destructiveHint")
    sources = ("untrusted",) if hints.get("openWorldHint") else ()
    if reads and destroys:
        return Proposal(sources=sources, because=(*because, "it cannot be both, so nothing is proposed"))
    if reads:
        return Proposal("read", "medium" if sources else "low", "R0", sources, because)
    if destroys:
        return Proposal("delete", "high", "R4", sources, because)
    if destroys is False:
        return Proposal("write", "medium", None, sources, because)
    return Proposal(sources=sources, because=because)
