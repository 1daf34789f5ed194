"""What is asked of `verify_log`, and what it answers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tallystick.audit.offline.content import Payload
from tallystick.audit.offline.read import Damage, Finding
from tallystick.audit.tlog.policy import Policy


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is verified, and how.

    `part`: leaves from, up to (and the tiles above them; all where None). `others`: signed checkpoints of the log that
    others kept (an auditor, a witness), which it has to continue. `policy`: whose cosignatures are needed. `every_key`:
    all keys must have signed, not one of them. `payloads`: directory of the tenant's payloads, each of which must be
    there or be accounted for. `processes`: how many may work at it.
    """

    part: tuple[int, int | None] = (0, None)
    others: tuple[str, ...] = ()
    policy: Policy | None = None
    every_key: bool = False
    payloads: Path | None = None
    processes: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify_log` found. `opened` are the indices of intents that have no outcome (yet).

    `damages` and `found` count all damage and findings, of which the first thousand are listed. `unverified` says what
    could not be told with what was given. `part` are the leaves that were read, `first` and `last` the times of the
    first and the last of them. Leaves before `minimum` may be gone; `pruned_under` names the leaf that says so.
    `cosigned`: number of leaves that a quorum of the policy has cosigned. `payloads` counts those that leaves say are
    kept, by what became of them; `payloads_gone` are the first of those that were erased or have expired, each with the
    leaf that says so.
    """

    origin: str
    size: int
    root: str
    kinds: dict[str, int]
    opened: tuple[int, ...]
    damage: tuple[Damage, ...]
    damages: int = 0
    findings: tuple[Finding, ...] = ()
    found: int = 0
    unverified: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    cosigned: int | None = None
    part: tuple[int, int] = (0, 0)
    minimum: int = 0
    pruned_under: str = ""
    first: str = ""
    last: str = ""
    payloads: Mapping[str, int] = field(default_factory=dict[str, int])
    payloads_gone: tuple[Payload, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong, and everything could be told."""
        return self.verdict == "whole"

    @property
    def verdict(self) -> Literal["whole", "damaged", "unverified"]:
        """The answer in one word."""
        if self.damage:
            return "damaged"
        return "unverified" if self.unverified else "whole"

    def to_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        return {"ok": self.ok, "verdict": self.verdict, **asdict(self)}


def refused(damage: Damage) -> Report:
    """Report of a log of which nothing could be read."""
    return Report("", 0, "", {}, (), (damage,), 1)
