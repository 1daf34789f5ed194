"""Decisions: default deny, forbid over permit, arguments and callers visible, a failing policy is a deny."""

from dataclasses import replace

import pytest

from tallystick.policy import Facts, decide
from tallystick.policy.decide import Memo
from tallystick.terms import Reason, ToolId
from tests.policy.bank import ANN, BANK, ERA, FACTS, RETAIL, RISK, caller, compiled, pay

PERMIT = '@id("clerks-pay") permit(principal in Group::"clerks", action == Action::"bank/pay", resource);'
SMALL = (
    '@id("small") permit(principal in Group::"clerks", action == Action::"bank/pay", resource) '
    "when { context.arguments.amount_minor <= 1000 };"
)


def _when(condition: str) -> str:
    return f'@id("p") permit(principal, action == Action::"bank/pay", resource) when {{ {condition} }};'


def test_without_a_policy_everything_is_denied() -> None:
    decision = pay(compiled(""), {})
    assert (decision.effect, decision.reasons, decision.policy_ids) == ("deny", (Reason.NO_POLICY_ALLOWS,), ())


def test_a_permit_allows_and_names_itself_and_the_bundle() -> None:
    bundle = compiled(PERMIT)
    decision = pay(bundle, {})
    assert (decision.effect, decision.reasons, decision.policy_ids) == (
        "allow",
        (Reason.POLICY_ALLOWS,),
        ("clerks-pay",),
    )
    assert decision.bundle == bundle.digest
    assert pay(bundle, {}, caller(groups=("others",))).reasons == (Reason.NO_POLICY_ALLOWS,)


def test_a_forbid_beats_every_permit_and_is_named() -> None:
    scope = '@id("no-robot") forbid(principal, action in Action::"write", resource) '
    forbid = scope + 'when { principal.actors.contains("robot") };'
    bundle = compiled(PERMIT + forbid)
    assert pay(bundle, {}).effect == "allow"
    decision = pay(bundle, {}, caller(actors=("desk-bot", "robot")))
    assert (decision.effect, decision.reasons, decision.policy_ids) == ("deny", (Reason.POLICY_FORBIDS,), ("no-robot",))


def test_an_argument_bound_is_kept() -> None:
    bundle = compiled(SMALL)
    assert pay(bundle, {"amount_minor": 1000, "to": "x"}).effect == "allow"
    assert pay(bundle, {"amount_minor": 1001, "to": "x"}).effect == "deny"


@pytest.mark.parametrize(
    ("condition", "arguments", "effect"),
    [
        ('context.arguments.to == "x"', {"to": "x"}, "allow"),
        ('context.arguments has note && context.arguments.note like "a*"', {"note": "abc"}, "allow"),
        ('context.arguments has note && context.arguments.note like "a*"', {"note": None}, "deny"),
        ('context.arguments has rate && context.arguments.rate.lessThan(decimal("1.5"))', {"rate": 1.25}, "allow"),
        ('context.arguments has rate && context.arguments.rate.lessThan(decimal("1.5"))', {"rate": 2}, "deny"),
        ("context.arguments has urgent && context.arguments.urgent", {"urgent": True}, "allow"),
        ('context.arguments has tags && context.arguments.tags.contains("a")', {"tags": ["b", "a"]}, "allow"),
        (
            'context.arguments has payee && context.arguments.payee.country == "DE"',
            {"payee": {"country": "DE"}},
            "allow",
        ),
        (
            'context.arguments has payee && context.arguments.payee.country == "DE"',
            {"payee": {"country": "KP"}},
            "deny",
        ),
        ("context.arguments.amount_minor == 5", {"amount_minor": 5.0}, "allow"),
        ('context.era == "2026-07-28"', {}, "allow"),
        ('resource.risk == "high" && resource.rank == 3 && resource.operation == "write"', {}, "allow"),
        ('resource.labels.contains("money")', {}, "allow"),
        ('resource in Server::"bank" && resource in Tenant::"retail" && resource in Tenant::"group"', {}, "allow"),
        ('principal.tenant in Tenant::"group" && principal.client == "desk"', {}, "allow"),
        ('principal.issuer == "https://other.example"', {}, "deny"),
        ("principal has agent", {}, "deny"),
    ],
)
def test_what_a_policy_can_see(condition: str, arguments: dict[str, object], effect: str) -> None:
    assert pay(compiled(_when(condition)), {"amount_minor": 1, "to": "y", **arguments}).effect == effect


def test_the_acting_agent_is_the_outermost_actor() -> None:
    bundle = compiled(_when('principal has agent && principal.agent == "desk-bot"'))
    assert pay(bundle, {}, caller(actors=("desk-bot", "inner"))).effect == "allow"
    assert pay(bundle, {}, caller(actors=("inner", "desk-bot"))).effect == "deny"


def test_a_person_and_an_agent_of_the_same_name_are_different_principals() -> None:
    bundle = compiled('@id("p") permit(principal == User::"ann", action == Action::"bank/pay", resource);')
    assert pay(bundle, {}).effect == "allow"
    assert pay(bundle, {}, caller(kind="agent")).effect == "deny"


@pytest.mark.parametrize(
    ("text", "claims", "effect"),
    [
        ("acr=mfa", {"acr": "mfa"}, "allow"),
        ("roles=b", {"roles": ["a", "b"]}, "allow"),
        ("level=3", {"level": 3}, "allow"),
        ("staff=true", {"staff": True}, "allow"),
        ("staff=True", {"staff": True}, "deny"),
        ("exp=5", {"exp": 5}, "deny"),
        ("deep=x", {"deep": {"x": "x"}}, "deny"),
    ],
)
def test_claims_are_visible_as_texts(text: str, claims: dict[str, object], effect: str) -> None:
    bundle = compiled(_when(f'principal.claims.contains("{text}")'))
    assert pay(bundle, {}, caller(claims=claims)).effect == effect


@pytest.mark.parametrize(
    "arguments",
    [
        {"amount_minor": 2**63},
        {"amount_minor": -(2**70)},
        {"amount_minor": 1e300},
        {"amount_minor": 1.5},
        {"amount_minor": True},
        {"amount_minor": "5"},
        {"amount_minor": {"__extn": {"fn": "decimal", "arg": "1.0"}}},
        {"amount_minor": [1]},
        {},
    ],
)
def test_an_argument_that_cannot_be_represented_is_a_deny_and_never_an_error(arguments: dict[str, object]) -> None:
    decision = pay(compiled(SMALL), {"to": "x", **arguments})
    assert (decision.effect, decision.reasons) == ("deny", (Reason.POLICY_FAILED,))


@pytest.mark.parametrize("rate", [0.12345, 1e15, float("nan"), float("inf"), "1.0"])
def test_a_number_too_fine_or_too_large_for_a_decimal_is_a_deny(rate: object) -> None:
    bundle = compiled(_when('context.arguments has rate && context.arguments.rate.lessThan(decimal("9.0"))'))
    assert pay(bundle, {"amount_minor": 1, "to": "x", "rate": rate}).reasons == (Reason.POLICY_FAILED,)


def test_an_argument_that_no_policy_reads_cannot_fail_one() -> None:
    assert pay(compiled(SMALL), {"amount_minor": 1, "to": "x", "rate": 0.123456}).effect == "allow"


def test_text_that_is_not_unicode_is_a_deny() -> None:
    bundle = compiled(_when('context.arguments.to == "x"'))
    assert pay(bundle, {"amount_minor": 1, "to": "\ud800"}).reasons == (Reason.POLICY_FAILED,)
    assert pay(bundle, {"amount_minor": 1, "to": "x"}, caller(subject="\ud800")).reasons == (Reason.POLICY_FAILED,)


def test_a_forbid_that_fails_is_a_deny_and_not_skipped() -> None:
    text = (
        '@id("all") permit(principal, action == Action::"bank/pay", resource);'
        '@id("sum") forbid(principal, action == Action::"bank/pay", resource) '
        "when { context.arguments.amount_minor + 9 > 99 };"
    )
    bundle = compiled(text)
    assert pay(bundle, {"amount_minor": 1, "to": "x"}).effect == "allow"
    decision = pay(bundle, {"amount_minor": 2**63 - 1, "to": "x"})
    assert (decision.effect, decision.reasons, decision.policy_ids) == ("deny", (Reason.POLICY_FAILED,), ("sum",))


def test_several_obligations_of_one_policy_are_passed_on_one_by_one() -> None:
    bundle = compiled(
        '@id("big") @obligation("prompt, approve,reason") permit(principal, action == Action::"bank/pay", resource) '
        "when { context.arguments.amount_minor > 1000 };"
        '@id("small") permit(principal, action == Action::"bank/pay", resource);'
    )
    found = pay(bundle, {"amount_minor": 1001, "to": "x"}).obligations
    assert {(duty.kind, duty.policy_id) for duty in found} == {
        ("approve", "big"),
        ("reason", "big"),
        ("prompt", "big"),
    }
    assert pay(bundle, {"amount_minor": 1, "to": "x"}).obligations == ()


def test_a_slice_knows_what_its_policies_may_oblige_to_whomever_they_are_for() -> None:
    bundle = compiled(
        '@id("some") @obligation("reason") permit(principal in Group::"few", action == Action::"bank/pay", resource);'
        '@id("all") permit(principal, action, resource);'
    )
    part = bundle.tool(BANK, ToolId("pay"))
    assert part.may_oblige("reason")
    assert not part.may_oblige("prompt")
    assert not bundle.method(BANK, "resources/read").may_oblige("reason")


def test_an_obligation_of_a_determining_permit_is_passed_on() -> None:
    text = SMALL + (
        '@id("big") @obligation("approve") permit(principal, action == Action::"bank/pay", resource) '
        "when { context.arguments.amount_minor > 1000 };"
    )
    bundle = compiled(text)
    assert pay(bundle, {"amount_minor": 1, "to": "x"}).obligations == ()
    (obligation,) = pay(bundle, {"amount_minor": 1001, "to": "x"}).obligations
    assert (obligation.kind, obligation.policy_id) == ("approve", "big")


def test_a_caller_of_another_tenant_is_denied_whatever_the_policies_say() -> None:
    bundle = compiled('@id("all") permit(principal, action, resource);')
    assert pay(bundle, {}).effect == "allow"
    assert pay(bundle, {}, caller(tenant="group")).reasons == (Reason.NO_POLICY_ALLOWS,)


def test_methods_and_routes_have_their_own_actions() -> None:
    text = (
        '@id("connect") permit(principal, action == Action::"connect", resource == Server::"bank");'
        '@id("desk") permit(principal, action == Action::"connect", resource == Toolset::"desk");'
        '@id("files") permit(principal, action == Action::"mcp/resources/read", resource in Server::"bank") '
        'when { context.arguments has uri && context.arguments.uri like "file:///public/*" };'
        '@id("prompts") permit(principal, action in Action::"use", resource == Server::"risk");'
    )
    bundle = compiled(text)
    for method in ("initialize", "ping", "tools/list", "server/discover"):
        assert bundle.method(BANK, method) is bundle.connect_server(BANK)
    assert decide(bundle.connect_server(BANK), ANN, None, ERA).effect == "allow"
    assert decide(bundle.connect_server(RISK), ANN, None, ERA).effect == "deny"
    assert decide(bundle.connect_toolset("desk"), ANN, None, ERA).effect == "allow"
    read = bundle.method(BANK, "resources/read")
    assert decide(read, ANN, {"uri": "file:///public/a"}, ERA).effect == "allow"
    assert decide(read, ANN, {"uri": "file:///etc"}, ERA).effect == "deny"
    assert decide(read, ANN, {}, ERA).effect == "deny"
    assert decide(bundle.method(RISK, "prompts/get"), ANN, {"name": "x"}, ERA).effect == "allow"
    assert decide(bundle.method(RISK, "invented/method"), ANN, {}, ERA).policy_ids == ("prompts",)
    assert bundle.method(BANK, "tools/call").policy_ids == ()


def test_a_listing_shows_what_may_be_called_with_some_arguments() -> None:
    assert pay(compiled(SMALL), None).effect == "allow"
    assert pay(compiled(SMALL), None, caller(groups=())).effect == "deny"


def test_a_listing_hides_what_is_forbidden_with_any_arguments() -> None:
    hidden = '@id("no-bots") forbid(principal is Agent, action == Action::"bank/pay", resource);'
    shown = '@id("no-big") forbid(principal, action, resource == Tool::"bank/pay") when { context.arguments has rate };'
    bundle = compiled(SMALL + hidden + shown)
    assert pay(bundle, None).effect == "allow"
    assert pay(bundle, None, caller(kind="agent")).effect == "deny"


def test_a_listing_still_keeps_the_conditions_that_do_not_look_at_arguments() -> None:
    text = _when('context.arguments.amount_minor < 5 && principal.client == "desk" && resource.rank < 4') + (
        '@id("u") permit(principal, action == Action::"bank/pay", resource) '
        'unless { context.arguments.amount_minor > 5 || principal.client != "desk" };'
    )
    bundle = compiled(text)
    assert pay(bundle, None).policy_ids == ("p", "u")
    assert pay(bundle, None, caller(client="other")).effect == "deny"


def test_decisions_that_do_not_read_arguments_are_remembered_per_authority_and_era() -> None:
    bundle = compiled(PERMIT)
    part = bundle.tool(BANK, ToolId("pay"))
    assert not part.reads_arguments
    first = decide(part, ANN, {"amount_minor": 1}, ERA)
    assert decide(part, ANN, {"amount_minor": 2}, ERA) is first
    assert decide(part, ANN, {}, "2025-11-25") is not first
    assert decide(part, caller(groups=()), {}, ERA).effect == "deny"


def test_the_memory_of_decisions_is_bounded_and_loses_the_oldest_first() -> None:
    part = replace(compiled(PERMIT).tool(BANK, ToolId("pay")), memo=Memo(limit=2, graphs=2))
    first = decide(part, caller(subject="s0"), {}, ERA)
    last = [decide(part, caller(subject=f"s{number}"), {}, ERA) for number in range(1, 4)][-1]
    assert (len(part.memo.decisions), len(part.memo.entities)) == (2, 2)
    assert decide(part, caller(subject="s3"), {}, ERA) is last
    assert decide(part, caller(subject="s0"), {}, ERA) is not first


def test_a_slice_holds_only_policies_whose_scope_can_match() -> None:
    text = (
        '@id("read") permit(principal, action in Action::"read", resource);'
        '@id("risk") permit(principal, action, resource in Server::"risk");'
        '@id("all") permit(principal, action, resource in Tenant::"group");'
        '@id("pay") permit(principal, action in [Action::"bank/pay", Action::"connect"], '
        'resource is Tool in Server::"bank");'
        '@id("call") forbid(principal == User::"eve", action in Action::"call", resource);'
    )
    bundle = compiled(text)
    assert bundle.tool(BANK, ToolId("pay")).policy_ids == ("all", "call", "pay")
    assert bundle.tool(BANK, ToolId("get_account")).policy_ids == ("all", "call", "read")
    assert bundle.tool(RISK, ToolId("score")).policy_ids == ("all", "call", "risk")
    assert bundle.connect_toolset("desk").policy_ids == ("all",)
    assert bundle.method(RISK, "prompts/get").policy_ids == ("all", "risk")


def test_the_digest_follows_policies_and_facts() -> None:
    other = Facts(FACTS.tenants, FACTS.servers, FACTS.toolsets, FACTS.tools[:2])
    digests = {compiled(PERMIT).digest, compiled(SMALL).digest, compiled(PERMIT, other).digest}
    assert len(digests) == 3
    assert compiled(PERMIT).digest == compiled(PERMIT).digest


def test_every_slice_belongs_to_the_tenant_of_its_resource() -> None:
    bundle = compiled("")
    parts = [bundle.tool(BANK, ToolId("pay")), bundle.method(BANK, "prompts/get"), bundle.connect_toolset("desk")]
    assert {part.tenant for part in parts} == {RETAIL}
