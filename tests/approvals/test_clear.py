"""An obligation is never ignored: while no grant can be given, an obliged call is refused."""

from tallystick import approvals
from tallystick.terms import Decision, Digest, Obligation, Reason

BUNDLE = Digest("sha256:" + "0" * 64)


def _allowed(*obligations: Obligation) -> Decision:
    return Decision("allow", (Reason.POLICY_ALLOWS,), ("may-pay",), BUNDLE, obligations)


def test_a_call_without_obligations_runs() -> None:
    assert approvals.clear(_allowed()) is None


def test_an_obliged_call_is_refused_and_the_refusal_names_every_obliging_policy() -> None:
    refusal = approvals.clear(_allowed(Obligation("approve", "four-eyes"), Obligation("approve", "large-sums")))
    assert refusal is not None
    assert (refusal.code, refusal.reasons) == ("approval_required", (Reason.APPROVAL_REQUIRED,))
    assert refusal.policy_ids == ("four-eyes", "large-sums")
    assert "approval" in refusal.public_text
