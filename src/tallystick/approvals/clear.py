"""Decide whether an allowed call may run now, given what policy obliges."""

from tallystick.terms import Decision, Reason, Refusal


def clear(decision: Decision) -> Refusal | None:
    """Return the refusal of a call that waits for a human, or None where nothing is obliged."""
    waiting = tuple(obligation.policy_id for obligation in decision.obligations if obligation.kind == "approve")
    if not waiting:
        return None
    return Refusal(
        "approval_required",
        (Reason.APPROVAL_REQUIRED,),
        "This call needs a human's approval, and approvals cannot be given here yet. Ask the owner of the policy.",
        policy_ids=waiting,
        decision=decision,
    )
