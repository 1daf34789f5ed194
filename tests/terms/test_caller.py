"""An empty identity cannot be made, whichever of its parts is missing."""

import pytest

from tallystick.terms import Caller, TenantId


def caller(**changed: str) -> Caller:
    """A complete caller, with some parts changed."""
    parts = {"subject": "ada", "tenant": "bank", "issuer": "https://idp.example", "client": "desk", "authority": "a1"}
    parts |= changed
    return Caller(
        subject=parts["subject"],
        kind="person",
        tenant=TenantId(parts["tenant"]),
        issuer=parts["issuer"],
        client=parts["client"],
        authority=parts["authority"],
        expires_at=0.0,
    )


def test_a_complete_caller_can_be_made() -> None:
    assert caller().subject == "ada"


@pytest.mark.parametrize("part", ["subject", "tenant", "issuer", "client", "authority"])
def test_a_caller_without_one_of_its_parts_cannot_be_made(part: str) -> None:
    with pytest.raises(ValueError, match="a caller has"):
        caller(**{part: ""})


def test_a_subject_of_spaces_is_no_subject() -> None:
    with pytest.raises(ValueError, match="a caller has"):
        caller(subject="  ")
