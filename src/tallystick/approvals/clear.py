"""Decide whether an allowed call may run now, given what policy obliges."""

from collections.abc import Collection
from typing import Final

from tallystick.terms import Decision, Reason, Refusal

_ASKED: Final = {
    "reason": "the reason for choosing this tool",
    "intent": "what you mean to do",
    "prompt": "what the user asked for",
}
"""Parts of a call's context that policy can oblige to."""


def clear(decision: Decision, told: Collection[str] = (), argument: str | None = None) -> Refusal | None:
    """Return the refusal of a call that lacks what policy obliges to, or None where it lacks nothing.

    `told` names the parts of its context that came with the call; `argument` is the one in which a reason may come.
    """
    return _untold(decision, told, argument) or _waiting(decision)


def _untold(decision: Decision, told: Collection[str], argument: str | None) -> Refusal | None:
    lacking = [duty for duty in decision.obligations if duty.kind in _ASKED and duty.kind not in told]
    if not lacking:
        return None
    parts = [_where(part, argument) for part in _ASKED if part in {duty.kind for duty in lacking}]
    return Refusal(
        "invalid",
        (Reason.CONTEXT_REQUIRED,),
        f"Policy wants this call explained. Send it again with {' and '.join(parts)}.",
        policy_ids=tuple(dict.fromkeys(duty.policy_id for duty in lacking)),
        decision=decision,
    )


def _where(part: str, argument: str | None) -> str:
    place = f'params._meta["tallystick.dev/{part}"]'
    if part == "reason" and argument is not None:
        place = f'the argument "{argument}" (or {place})'
    return f"{_ASKED[part]} as a text in {place}"


def _waiting(decision: Decision) -> Refusal | None:
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
