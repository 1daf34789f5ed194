"""What `policy` answers, and what it may oblige."""

from dataclasses import dataclass
from typing import Literal

from tallystick.terms.names import Digest
from tallystick.terms.reason import Reason


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that must happen before (or while) an allowed call runs."""

    kind: Literal["approve"]
    policy_id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one authorization question.

    `policy_ids` are the determining policies (empty when nothing matched); `bundle` names the policy set that decided.
    """

    effect: Literal["allow", "deny"]
    reasons: tuple[Reason, ...]
    policy_ids: tuple[str, ...]
    bundle: Digest
    obligations: tuple[Obligation, ...] = ()
