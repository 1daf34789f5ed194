"""Every step of the table, and every gate with everything that it refuses."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from tallystick.control.lifecycle import GATES, TABLE, Facts, judge, verb
from tallystick.control.model import Actor, Key, Kind, State, Step
from tests.control.lifecycle.cases import ANNA, BERT, PIN, SEEN, TOOL, grant, observed, resource, server, step

STATES: tuple[State, ...] = get_args(State)
REVIEWED: tuple[Kind, ...] = ("Server", "Grant")
ALLOWED = {
    ("draft", "in_review"): "submit",
    ("in_review", "draft"): "reject",
    ("in_review", "approved"): "approve",
    ("approved", "approved"): "renew",
    ("approved", "suspended"): "suspend",
    ("suspended", "approved"): "reinstate",
    ("draft", "retired"): "retire",
    ("in_review", "retired"): "retire",
    ("approved", "retired"): "retire",
    ("suspended", "retired"): "retire",
}


def codes(facts: Facts, wanted: Step) -> list[str]:
    """What stands against a step."""
    return [unmet.code for unmet in judge(wanted, facts)]


@pytest.mark.parametrize(("kind", "source", "target"), list(product(REVIEWED, STATES, STATES)))
def test_only_the_steps_of_the_table_can_be_taken(kind: Kind, source: State, target: State) -> None:
    facts = server(source) if kind == "Server" else grant(source)
    unmet = codes(facts, step(kind, target))
    assert unmet == ([] if (source, target) in ALLOWED else ["no_such_step"])
    assert verb(source, target) == ALLOWED.get((source, target))


def test_what_has_no_lifecycle_has_no_step() -> None:
    facts = replace(server(), resource=resource("Toolset", "desk", {}, "in_review"))
    assert codes(facts, Step(Key("Toolset", "desk"), "approved")) == ["no_such_step"]


def test_a_step_that_is_not_there_names_those_that_are() -> None:
    (unmet,) = judge(step("Server", "approved"), server("draft"))
    assert unmet.do == "From there it can become: in_review, retired."
    (unmet,) = judge(step("Server", "approved"), server("retired"))
    assert unmet.do == "From there no step leads anywhere."


@pytest.mark.parametrize("kind", REVIEWED)
@pytest.mark.parametrize(
    ("source", "target"), [pair for pair, word in ALLOWED.items() if word in {"reject", "suspend", "retire"}]
)
def test_taking_back_and_taking_out_of_use_need_a_reason_and_nothing_else(
    kind: Kind, source: State, target: State
) -> None:
    bare = server(source) if kind == "Server" else grant(source)
    # Nothing is known of it, whoever acts has done everything before, and no role at all.
    poor = replace(bare, resource=replace(bare.resource, spec={}), pin=None, actor=Actor("anna"), scope=None)
    assert codes(poor, step(kind, target)) == []
    assert codes(poor, step(kind, target, comment=" ")) == ["comment"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"owner": None}, "owner"),
        ({"owner": "olga"}, "owner"),
        ({"owner": {"person": "olga"}}, "owner"),
        ({"owner": {"team": "risk", "legal_entity": "Acme Ltd"}}, "owner"),
        ({"owner": {"person": " ", "team": "risk"}}, "owner"),
        ({"purpose": None}, "purpose"),
        ({"purpose": "  "}, "purpose"),
    ],
)
def test_nothing_is_submitted_that_has_no_owner_or_purpose(changed: dict[str, object], code: str) -> None:
    assert codes(server("draft", **changed), step("Server", "in_review")) == [code]
    assert codes(server("in_review", **changed), step("Server", "approved")) == [code]


@pytest.mark.parametrize("owner", [{"person": "olga", "team": "risk"}, {"person": "olga", "legal_entity": "Acme Ltd"}])
def test_a_person_with_a_team_or_a_legal_entity_is_an_owner(owner: object) -> None:
    assert codes(server(owner=owner), step("Server", "approved")) == []


@pytest.mark.parametrize("label", ["operation", "risk", "data_scope", "reversibility"])
@pytest.mark.parametrize("value", [None, "", "unknown"])
def test_a_tool_with_an_unknown_label_is_not_approved(label: str, value: str | None) -> None:
    tool = {**TOOL, label: value}
    (unmet,) = judge(step("Server", "approved"), server(tools={"get": tool}))
    assert (unmet.code, unmet.text) == ("labels_complete", "Tools whose labels are not complete: get.")


def test_the_entry_for_all_other_tools_counts_for_those_without_their_own() -> None:
    assert codes(server(tools={"*": TOOL}), step("Server", "approved")) == []
    assert codes(server(tools={"*": {"operation": "read"}}), step("Server", "approved")) == ["labels_complete"]


def test_a_tool_that_is_hidden_needs_no_label() -> None:
    assert codes(server(tools={}), step("Server", "approved")) == []


def test_tools_that_the_approval_would_pin_are_looked_at_too() -> None:
    pin = observed(resource("Pin", "risk", {}, "approved"))
    facts = replace(server(tools={"get": {"operation": "read"}}), pin=pin)
    assert codes(facts, step("Server", "approved")) == ["labels_complete"]


def test_a_long_list_of_tools_is_cut() -> None:
    names = [f"t{number}" for number in range(8)]
    pin = observed(resource("Pin", "risk", {"tools": [{"name": name} for name in names]}, "approved"))
    facts = replace(server(tools={"*": {}, "get": TOOL}), pin=pin)
    (unmet,) = judge(step("Server", "approved"), facts)
    assert unmet.text == "Tools whose labels are not complete: t0, t1, t2, t3, t4 and 3 more."


@pytest.mark.parametrize(
    "changed", [{"classification": None}, {"classification": "unknown"}, {"jurisdictions": []}, {"jurisdictions": "UK"}]
)
def test_a_server_is_classified_and_its_jurisdictions_are_known(changed: dict[str, object]) -> None:
    assert codes(server("in_review", **changed), step("Server", "approved")) == ["classified"]


@pytest.mark.parametrize(
    ("date", "following", "is_in_date"),
    [
        ("2026-11-21", "2026-11-22", True),
        ("2025-01-01", "2027-01-01", True),
        ("2026-11-22", "2027-11-22", False),
        ("2025-11-21", "2026-11-21", False),
        ("2025-11-21", "2026-11-20", False),
        (None, "2027-01-01", False),
        ("2026-01-01", None, False),
        ("yesterday", "tomorrow", False),
    ],
)
def test_a_security_review_is_in_date(date: str | None, following: str | None, *, is_in_date: bool) -> None:
    facts = server(security_review={"date": date, "next": following})
    assert codes(facts, step("Server", "approved")) == ([] if is_in_date else ["security_review"])


@pytest.mark.parametrize("kind", REVIEWED)
@pytest.mark.parametrize("source", ["in_review", "approved", "suspended"])
def test_who_submitted_or_changed_it_does_not_approve_it(kind: Kind, source: State) -> None:
    facts = server(source) if kind == "Server" else grant(source)
    anna = replace(ANNA, roles=("reviewer",))
    assert codes(replace(facts, actor=anna, editors=()), step(kind, "approved")) == ["four_eyes"]
    assert codes(replace(facts, actor=anna, submitter="carl"), step(kind, "approved")) == ["four_eyes"]
    assert codes(replace(facts, actor=anna, submitter="", editors=("anna", "carl")), step(kind, "approved")) == [
        "four_eyes"
    ]


def test_another_way_in_does_not_make_another_person() -> None:
    through_jira = Actor("anna", operator="jira:557058:c9", roles=("reviewer",))
    assert codes(replace(server(), actor=through_jira), step("Server", "approved")) == ["four_eyes"]


@pytest.mark.parametrize("seen", [None, "", "sha256:" + "b" * 64])
def test_a_definition_that_the_reviewer_did_not_see_is_not_approved(seen: str | None) -> None:
    wanted = replace(step("Server", "approved"), definition=seen)
    assert codes(server(), wanted) == ["definition"]


@pytest.mark.parametrize("pin", [None, resource("Pin", "risk", {}, "approved")])
def test_a_server_that_nobody_asked_is_not_approved(pin: None) -> None:
    assert codes(replace(server(), pin=pin), step("Server", "approved")) == ["definition"]


def test_where_nothing_else_was_seen_the_pinned_definition_counts() -> None:
    facts = replace(server("suspended"), pin=resource("Pin", "risk", PIN, "approved"))
    (unmet,) = judge(step("Server", "approved"), facts)
    digest = unmet.text.removeprefix("The server's definition is now ").partition(",")[0]
    assert codes(facts, step("Server", "approved", definition=digest)) == []
    assert codes(facts, step("Server", "approved", definition=SEEN)) == ["definition"]


@pytest.mark.parametrize("kind", REVIEWED)
@pytest.mark.parametrize("end", ["2026-11-21T12:00:00Z", "2026-11-21T13:00:00+02:00", "2025-01-01", "soon"])
def test_an_approval_does_not_end_before_it_begins(kind: Kind, end: str) -> None:
    facts = server() if kind == "Server" else grant()
    assert codes(facts, step(kind, "approved", expires=end)) == ["expiry"]
    assert codes(facts, step(kind, "approved", expires="2026-11-21T12:00:01Z")) == []


@pytest.mark.parametrize(
    "end",
    [None, "soon", "2026-11-21T12:00:00Z", "2026-11-20T12:00:00Z", "2027-11-21T12:00:01Z", "2099-01-01T00:00:00Z"],
)
def test_a_grant_ends_and_within_the_limit(end: str | None) -> None:
    assert codes(grant("draft", expires=end), step("Grant", "in_review")) == ["grant_expiry"]
    assert codes(grant(expires=end), step("Grant", "approved")) == ["grant_expiry"]
    assert codes(grant(expires="2027-11-21T12:00:00Z"), step("Grant", "approved")) == []


def test_a_grant_without_a_purpose_is_not_asked_for() -> None:
    assert codes(grant("draft", purpose=""), step("Grant", "in_review")) == ["purpose"]


def test_a_grant_is_approved_by_the_owner_or_a_reviewer_only() -> None:
    nobody, olga = Actor("nora", roles=("developer", "operator", "auditor")), Actor("olga", roles=("developer",))
    assert codes(replace(grant(), actor=nobody), step("Grant", "approved")) == ["grant_approver"]
    assert codes(replace(grant(), actor=Actor("bert", roles=("owner",))), step("Grant", "approved")) == []
    assert codes(replace(grant(), actor=olga), step("Grant", "approved")) == []


def test_the_owner_of_a_namesake_in_another_tenant_has_no_say() -> None:
    facts = grant()
    assert facts.scope is not None
    elsewhere = replace(facts, scope=replace(facts.scope, tenant="globex"), actor=Actor("olga"))
    assert codes(elsewhere, step("Grant", "approved")) == ["grant_approver"]
    assert codes(replace(facts, scope=None, actor=Actor("olga")), step("Grant", "approved")) == ["grant_approver"]


@pytest.mark.parametrize(
    "transport",
    [{"stdio": {"command": ["risk"]}}, {"http": {"url": "http://10.0.0.7/mcp", "allow_special_addresses": True}}],
)
def test_what_runs_beside_other_tenants_is_let_in_by_somebody_of_the_whole_installation(
    transport: dict[str, object],
) -> None:
    wanted, alone = step("Server", "approved"), server()
    alone = replace(alone, resource=replace(alone.resource, spec={**alone.resource.spec, "transport": transport}))
    shared = replace(alone, shared=True)
    everywhere = replace(alone.actor, everywhere=("reviewer",))
    assert codes(alone, wanted) == []
    assert codes(shared, wanted) == ["inside"]
    assert codes(replace(shared, actor=replace(alone.actor, everywhere=("developer",))), wanted) == ["inside"]
    assert codes(replace(shared, actor=Actor("jira:7", "jira:7", roles=("reviewer",))), wanted) == ["inside"]
    assert codes(replace(shared, actor=Actor("operator:root", "operator:root")), wanted) == []
    assert codes(replace(shared, actor=Actor("operator:root", "operator:root", {"subject": "x"})), wanted) == ["inside"]
    assert codes(replace(shared, actor=everywhere), wanted) == []
    assert codes(shared, replace(wanted, to="suspended")) == codes(alone, replace(wanted, to="suspended"))


def test_a_server_at_a_public_address_is_for_its_tenant_to_let_in() -> None:
    assert codes(replace(server(), shared=True), step("Server", "approved")) == []


def test_every_gate_that_is_not_met_is_told_at_once() -> None:
    poor = replace(server(), resource=resource("Server", "risk", {}), pin=None, actor=ANNA)
    wanted = replace(step("Server", "approved"), definition=None, expires="2020-01-01")
    listed = next(row for row in TABLE if row.verb == "approve").gates["Server"]
    without = {"supply_chain", "labels_complete", "inside"}
    assert codes(poor, wanted) == [code for code in listed if code not in without]


def test_the_gate_of_the_supply_chain_is_in_the_table_and_not_in_force() -> None:
    assert GATES["supply_chain"].met is None
    assert all("supply_chain" in row.gates["Server"] for row in TABLE if row.target == "approved")


def test_every_gate_of_the_table_exists_and_every_gate_is_used() -> None:
    used = {code for row in TABLE for gates in row.gates.values() for code in gates}
    assert used == set(GATES)
    assert BERT.roles == ("reviewer",)
