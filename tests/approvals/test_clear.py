"""An obligation is never ignored: a call is explained or refused, and refused where it needs a human's yes."""

import pytest

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


def test_a_call_that_is_explained_runs() -> None:
    allowed = _allowed(Obligation("reason", "why"), Obligation("prompt", "what"))
    assert approvals.clear(allowed, {"reason", "prompt"}, "reason") is None


@pytest.mark.parametrize(("told", "lacking"), [((), "why what"), (("reason",), "what"), (("prompt", "intent"), "why")])
def test_what_lacks_is_named_with_its_place_and_its_policies(told: tuple[str, ...], lacking: str) -> None:
    obligations = Obligation("reason", "why"), Obligation("prompt", "what"), Obligation("prompt", "what")
    refusal = approvals.clear(_allowed(*obligations), told, "tallystick_reason")
    assert refusal is not None
    assert (refusal.code, refusal.reasons) == ("invalid", (Reason.CONTEXT_REQUIRED,))
    assert refusal.policy_ids == tuple(lacking.split())
    assert ('the argument "tallystick_reason"' in refusal.public_text) == ("why" in lacking)
    assert ('params._meta["tallystick.dev/prompt"]' in refusal.public_text) == ("what" in lacking)


def test_a_reason_that_no_argument_can_hold_is_asked_for_in_meta() -> None:
    refusal = approvals.clear(_allowed(Obligation("reason", "why")))
    assert refusal is not None
    assert 'in params._meta["tallystick.dev/reason"].' in refusal.public_text
    assert "argument" not in refusal.public_text


def test_a_human_is_asked_only_about_a_call_that_is_explained() -> None:
    both = _allowed(Obligation("approve", "four-eyes"), Obligation("intent", "stated"))
    unexplained, explained = approvals.clear(both), approvals.clear(both, {"intent"})
    assert unexplained is not None
    assert explained is not None
    assert (unexplained.reasons, explained.reasons) == ((Reason.CONTEXT_REQUIRED,), (Reason.APPROVAL_REQUIRED,))
