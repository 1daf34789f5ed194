"""Which steps there are, and the gates of each. What is not in this table cannot happen."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tallystick.control.model import Kind, State

_APPROVAL: Final[Mapping[Kind, tuple[str, ...]]] = {
    "Server": (
        "owner",
        "purpose",
        "labels_complete",
        "classified",
        "security_review",
        "inside",
        "four_eyes",
        "definition",
        "expiry",
        "supply_chain",
    ),
    "Grant": ("purpose", "grant_expiry", "four_eyes", "grant_approver", "expiry"),
}
_REASON: Final[Mapping[Kind, tuple[str, ...]]] = {"Server": ("comment",), "Grant": ("comment",)}


class Move(NamedTuple):
    """One step of the table: its verb, from where to where, and its gates by kind of resource."""

    verb: str
    source: State
    target: State
    says: str
    gates: Mapping[Kind, tuple[str, ...]]


TABLE: Final[tuple[Move, ...]] = (
    Move(
        "submit",
        "draft",
        "in_review",
        "Ask for a review.",
        {"Server": ("owner", "purpose"), "Grant": ("purpose", "grant_expiry")},
    ),
    Move("reject", "in_review", "draft", "Send it back, or take it back, with a reason.", _REASON),
    Move("approve", "in_review", "approved", "Let it have effect.", _APPROVAL),
    Move(
        "renew",
        "approved",
        "approved",
        "Approve again what is approved, without interruption: a new definition, new conditions or a new end.",
        _APPROVAL,
    ),
    # INVARIANT: taking something out of use needs a reason and nothing else; whoever sees a danger is not held up.
    Move("suspend", "approved", "suspended", "Take it out of use at once; for a grant: revoke it.", _REASON),
    Move("reinstate", "suspended", "approved", "Let it have effect again.", _APPROVAL),
    Move("retire", "draft", "retired", "Give it up.", _REASON),
    Move("retire", "in_review", "retired", "Give it up.", _REASON),
    Move("retire", "approved", "retired", "Take it out of use for good.", _REASON),
    Move("retire", "suspended", "retired", "Keep it out of use for good.", _REASON),
)
"""Every step. A resource that is not there yet begins as a draft; nothing leads out of `retired`."""
