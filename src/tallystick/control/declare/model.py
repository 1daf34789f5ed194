"""What applying documents would do, as frozen values."""

from dataclasses import dataclass
from typing import Final, Literal

from tallystick.control.declare.difference import Difference
from tallystick.control.model import Change, Key
from tallystick.terms import TenantId

Action = Literal["create", "change", "remove", "unchanged", "drift", "conflict"]

FILED: Final = "tallystick.dev/filed"
"""Label of a pin that a file of the configuration directory holds, as opposed to one that an approval made."""


@dataclass(frozen=True, slots=True)
class Item:
    """What happens to one resource.

    `drift`: it is not as its owner has it, because somebody else changed it, took it over, or moved its state; where
    `differences` are to be put back, a change does so. `conflict`: another owner has it, and nothing is changed.
    """

    action: Action
    key: Key
    tenant: TenantId
    differences: tuple[Difference, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that applying would do: `items` for people, in order of kind and name, `changes` for `Control.commit`.

    No `changes`: there is nothing to do.
    """

    items: tuple[Item, ...]
    changes: tuple[Change, ...]

    @property
    def conflicts(self) -> tuple[Item, ...]:
        """What would be left as it is because another owner has it."""
        return tuple(item for item in self.items if item.action == "conflict")
