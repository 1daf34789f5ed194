"""What a change of the spec does to an approval."""

from dataclasses import replace

import pytest

from tallystick.control.lifecycle import standing
from tallystick.control.model import Put, Resource, State
from tallystick.terms import TenantId
from tests.control.lifecycle.cases import GRANT, SERVER, TOOL, resource

STATES: tuple[State, ...] = ("draft", "in_review", "approved", "suspended", "retired")


def changed(before: Resource, **members: object) -> Put:
    """The put that changes these members of a spec."""
    return Put(before.kind, before.name, before.tenant, {**before.spec, **members})


def test_something_new_begins_as_a_draft() -> None:
    assert standing(None, changed(resource("Server", "risk", SERVER))) == "draft"
    assert standing(None, changed(resource("Grant", "month-end", GRANT))) == "draft"
    assert standing(None, changed(resource("Toolset", "desk", {}))) == "approved"


@pytest.mark.parametrize(
    "members",
    [
        {"transport": {"http": {"url": "https://evil.example.com/mcp"}}},
        {"tools": {"get": {**TOOL, "risk": "low", "operation": "execute"}}},
        {"tools": {"get": TOOL, "pay": TOOL}},
        {"credentials": "environment"},
        {"owner": {"person": "piet", "team": "risk"}},
        {"approved_clients": ["any"]},
        {"classification": "public"},
        {"of_a_later_version": True},
    ],
)
def test_an_approved_server_that_changes_in_effect_goes_back_to_its_reviewers(members: dict[str, object]) -> None:
    before = resource("Server", "risk", SERVER, "approved")
    assert standing(before, changed(before, **members)) == "in_review"


@pytest.mark.parametrize(
    "members",
    [
        {"title": "Risk of the desk"},
        {"security_review": {"date": "2027-01-01", "next": "2028-01-01"}},
        {"limits": {"in_flight": 3}},
        {},
    ],
)
def test_what_only_describes_a_server_may_change(members: dict[str, object]) -> None:
    before = resource("Server", "risk", SERVER, "approved")
    assert standing(before, changed(before, **members)) == "approved"


@pytest.mark.parametrize("state", ["approved", "in_review"])
@pytest.mark.parametrize("members", [{"to": {"people": ["anna", "carl"]}}, {"tools": None}, {"purpose": "other"}])
def test_a_grant_that_changes_is_asked_for_anew(state: State, members: dict[str, object]) -> None:
    before = resource("Grant", "month-end", GRANT, state)
    assert standing(before, changed(before, **members)) == "draft"
    assert standing(before, changed(before)) == state


@pytest.mark.parametrize("state", ["draft", "in_review", "suspended", "retired"])
def test_no_change_makes_a_server_better_than_it_was(state: State) -> None:
    before = resource("Server", "risk", SERVER, state)
    assert standing(before, changed(before, transport={"http": {"url": "https://other.example.com"}})) == state


@pytest.mark.parametrize("state", STATES)
def test_an_owner_whose_word_is_the_approval_says_the_state(state: State) -> None:
    before = resource("Server", "risk", SERVER, "approved")
    assert standing(before, replace(changed(before, tools={}), state=state)) == state


def test_what_moves_to_another_tenant_is_looked_at_there() -> None:
    server, grant = resource("Server", "risk", SERVER, "approved"), resource("Grant", "month-end", GRANT, "approved")
    assert standing(server, replace(changed(server), tenant=TenantId("globex"))) == "in_review"
    assert standing(grant, replace(changed(grant), tenant=TenantId("globex"))) == "draft"
