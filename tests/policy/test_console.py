"""Decisions about the console: roles, where they reach, and what a firm forbids beside them."""

import pytest

from tallystick.policy import console
from tallystick.policy.cedar import parse_policies, validate
from tallystick.policy.console.decide import builtin
from tallystick.policy.console.firm import schema
from tallystick.policy.model import Policy
from tallystick.terms import Caller, Decision, Reason, TenantId

GROUP, BANK, FUND = TenantId("group"), TenantId("bank"), TenantId("fund")
PARENTS = {GROUP: None, BANK: GROUP, FUND: GROUP}
ISSUER = "https://id.example"


def caller(subject: str = "ada", tenant: TenantId = BANK, **parts: object) -> Caller:
    """Return somebody who signed in."""
    given = {
        "kind": "person",
        "issuer": ISSUER,
        "client": "desk",
        "authority": f"{subject}@{tenant}",
        "expires_at": 1e12,
    }
    return Caller(subject=subject, tenant=tenant, **{**given, **parts})  # pyright: ignore[reportArgumentType] - the fields of a Caller


def holds(who: Caller, *facts: console.RoleFacts, issuers: int = 1) -> set[tuple[str, str]]:
    """Return the roles that somebody holds, and where."""
    return {(held.role, held.tenant) for held in console.held(who, facts, PARENTS, issuers=issuers)}


def firm(text: str) -> list[Policy]:
    """Return the policies of a text."""
    bodies = parse_policies(text)
    assert isinstance(bodies, list)
    named = {f"firm-{number}": body for number, body in enumerate(bodies)}
    return [Policy("policies/firm.cedar", name, {**body, "annotations": {"id": name}}) for name, body in named.items()]


def asked(policies: console.Console, action: str, who: Caller, role: str = "owner", name: str = "x") -> Decision:
    """Return what is decided about a server of the bank."""
    roles = frozenset({console.Held(role, BANK)})
    return console.decide(policies, who, roles, console.Question(action, BANK, "Server", name, "approved"))


def test_the_roles_own_policies_fit_their_schema() -> None:
    assert validate(builtin(), schema()) == {}


def test_every_action_is_read_or_changed_by_somebody_and_an_auditor_changes_none() -> None:
    for action in console.ACTIONS:
        noun, _, _ = action.partition(":")
        kind = next((kind for kind, name in console.NOUNS.items() if name == noun), "")
        question = console.Question(action, console.EVERYWHERE, kind)
        assert any(console.permits(role, question) for role in ("owner", "auditor")), action
        assert console.permits("auditor", question) == (action in console.READING), action


@pytest.mark.parametrize("action", ["record:search", "denial:search", "review:list"])
def test_only_an_auditor_oversees(action: str) -> None:
    for role in ("owner", "admin", "operator", "reviewer", "developer"):
        assert not console.permits(role, console.Question(action, BANK))


def test_a_plain_name_is_one_of_the_roles_own_tenant() -> None:
    facts = console.RoleFacts(BANK, "admin", people=("ada",), groups=("ops",))
    assert holds(caller(), facts) == {("admin", "bank")}
    assert holds(caller(tenant=FUND), facts) == set()
    assert holds(caller(tenant=GROUP), facts) == set()
    assert holds(caller("bob", groups=("ops",)), facts) == {("admin", "bank")}


def test_somebody_of_a_parent_is_named_with_the_issuer_and_nobody_of_a_sibling_can_be() -> None:
    facts = console.RoleFacts(BANK, "auditor", people=(f"{ISSUER}#ada",))
    assert holds(caller(tenant=GROUP), facts) == {("auditor", "bank")}
    assert holds(caller(tenant=FUND), facts) == set()
    assert holds(caller(tenant=GROUP, issuer="https://evil.example"), facts) == set()


def test_everywhere_a_plain_name_counts_only_while_there_is_one_issuer() -> None:
    facts = console.RoleFacts(console.EVERYWHERE, "owner", people=("ada",))
    assert holds(caller(), facts, issuers=1) == {("owner", "")}
    assert holds(caller(), facts, issuers=2) == set()
    named = console.RoleFacts(console.EVERYWHERE, "owner", people=(f"{ISSUER}#ada",))
    assert holds(caller(tenant=FUND), named, issuers=2) == {("owner", "")}


def test_a_name_that_looks_like_one_of_another_issuer_is_none_of_it() -> None:
    other = "https://other.example"
    facts = console.RoleFacts(BANK, "owner", people=(f"{other}#ada",), groups=(f"{other}#owners",))
    assert holds(caller(f"{other}#ada"), facts) == set()
    assert holds(caller(groups=(f"{other}#owners",)), facts) == set()
    everywhere = console.RoleFacts(console.EVERYWHERE, "owner", groups=(f"{other}#owners",))
    assert holds(caller(groups=(f"{other}#owners",)), everywhere, issuers=1) == set()
    named = console.RoleFacts(BANK, "owner", people=(f"{ISSUER}#a#b",))
    assert holds(caller("a#b"), named) == {("owner", "bank")}


def test_who_acts_for_a_person_has_the_role_only_where_it_names_the_actor() -> None:
    delegated = caller(actors=("copilot",))
    assert holds(delegated, console.RoleFacts(BANK, "reviewer", people=("ada",))) == set()
    named = console.RoleFacts(BANK, "reviewer", people=("ada",), agents=("copilot",))
    assert holds(delegated, named) == {("reviewer", "bank")}


def test_an_agent_is_no_person_of_the_same_name() -> None:
    robot = caller(kind="agent")
    assert holds(robot, console.RoleFacts(BANK, "admin", people=("ada",))) == set()
    assert holds(robot, console.RoleFacts(BANK, "admin", agents=("ada",))) == {("admin", "bank")}


def test_without_a_role_nothing_is_permitted() -> None:
    decision = console.decide(
        console.roles_only(), caller(), frozenset(), console.Question("server:get", BANK, "Server")
    )
    assert (decision.effect, decision.reasons) == ("deny", (Reason.ROLE_MISSING,))


def test_a_firm_forbids_beside_the_roles_by_client_group_claim_and_name() -> None:
    text = """
    forbid (principal, action == Action::"console/server:suspend", resource)
    when { principal.client == "script" || !principal.claims.contains("acr=mfa") };
    forbid (principal in Group::"interns", action in Action::"console/change", resource in Tenant::"group");
    forbid (principal, action in Action::"console", resource == Resource::"Server/vault");
    """
    policies = console.compile_console(firm(text), PARENTS)
    assert isinstance(policies, console.Console)
    strong = caller(claims={"acr": "mfa"}, authority="strong")
    assert asked(policies, "server:suspend", strong).effect == "allow"
    assert asked(policies, "server:suspend", caller()).reasons == (Reason.POLICY_FORBIDS,)
    script = caller(claims={"acr": "mfa"}, client="script", authority="script")
    assert asked(policies, "server:suspend", script).policy_ids == ("firm-0",)
    intern = caller(groups=("interns",), authority="intern")
    assert asked(policies, "server:put", intern).policy_ids == ("firm-1",)
    assert asked(policies, "server:get", intern).effect == "allow"
    assert asked(policies, "server:get", strong, name="vault").policy_ids == ("firm-2",)


def test_a_forbid_that_cannot_be_evaluated_forbids() -> None:
    text = """
    forbid (principal, action == Action::"console/server:put", resource)
    when { 9223372036854775807 + (if context.roles.contains("owner") then 1 else 0) < 0 };
    """
    policies = console.compile_console(firm(text), PARENTS)
    assert isinstance(policies, console.Console)
    decision = asked(policies, "server:put", caller())
    assert (decision.effect, decision.reasons, decision.policy_ids) == ("deny", (Reason.POLICY_FAILED,), ("firm-0",))
    assert asked(policies, "server:put", caller(), "admin").effect == "allow"


@pytest.mark.parametrize(
    "text",
    [
        'permit (principal, action == Action::"console/server:get", resource);',
        'forbid (principal, action == Action::"console/server:fly", resource);',
        'forbid (principal, action in Action::"console/change", resource) when { resource.colour == "red" };',
        'forbid (principal, action in Action::"console/change", resource) when { context.arguments has x };',
    ],
)
def test_what_is_no_forbid_or_does_not_fit_is_a_problem(text: str) -> None:
    assert not isinstance(console.compile_console(firm(text), PARENTS), console.Console)


def test_only_policies_that_name_the_consoles_actions_speak_of_it() -> None:
    text = """
    forbid (principal, action, resource);
    forbid (principal, action == Action::"console/server:get", resource);
    forbid (principal, action in [Action::"read", Action::"console/read"], resource);
    forbid (principal, action == Action::"ledger/console", resource);
    """
    assert [console.speaks_of_console(policy) for policy in firm(text)] == [False, True, True, False]
