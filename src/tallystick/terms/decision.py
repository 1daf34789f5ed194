"""What `policy` answers, and what it may oblige."""

from dataclasses import dataclass
from typing import Literal

from tallystick.terms.names import Digest
from tallystick.terms.reason import Reason


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that must happen before an allowed call runs.

    A human's approval; or a part of the call's context must be on record: the reason for choosing this tool, the
    intent that the agent states, the user's prompt.
    """

    kind: Literal["approve", "reason", "intent", "prompt"]
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
