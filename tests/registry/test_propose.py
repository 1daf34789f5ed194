"""Annotations of a server only propose."""

import pytest

from tallystick.registry import propose


@pytest.mark.parametrize(
    ("annotations", "fields"),
    [
        ({}, {}),
        (None, {}),
        ({"readOnlyHint": "yes"}, {}),
        ({"readOnlyHint": True}, {"operation": "read", "risk": "low", "reversibility": "R0"}),
        (
            {"readOnlyHint": True, "openWorldHint": True},
            {"operation": "read", "risk": "medium", "reversibility": "R0", "sources": ["untrusted"]},
        ),
        ({"destructiveHint": True}, {"operation": "delete", "risk": "high", "reversibility": "R4"}),
        ({"readOnlyHint": False, "destructiveHint": False}, {"operation": "write", "risk": "medium"}),
        ({"readOnlyHint": False}, {}),
        ({"readOnlyHint": True, "destructiveHint": True}, {}),
    ],
)
def test_hints_become_values_for_a_reviewer(annotations: object, fields: dict[str, object]) -> None:
    assert propose({"name": "pay", "annotations": annotations}).fields == fields


def test_a_proposal_says_what_it_goes_by() -> None:
    assert propose({"annotations": {"readOnlyHint": True}}).because == ("readOnlyHint is true",)
    both = propose({"annotations": {"readOnlyHint": True, "destructiveHint": True}})
    assert "it cannot be both" in both.because[-1]
