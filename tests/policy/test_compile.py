"""A policy that is wrong, ambiguous or without any effect is refused, with its file, its id and what to do."""

import pytest

from tallystick.policy import Facts, PolicyBundle, PolicyCompiler, ToolFacts, compile_policies
from tallystick.terms import ToolId
from tests.policy.bank import BANK, FACTS, RETAIL, compiled, problems


def _permit(condition: str, action: str = '== Action::"bank/pay"') -> str:
    return f'@id("p") permit(principal, action {action}, resource) when {{ {condition} }};'


BROKEN = [
    ("permit(principal, action, resource", "is not Cedar: unexpected end of input"),
    ("permit(principal, action, resource);", "policy 1: has no @id"),
    ('@id("") permit(principal, action, resource);', "policy 1: has no @id"),
    ('@id("a") permit(principal, action, resource); permit(principal, action, resource);', "policy 2: has no @id"),
    (
        '@id("a") permit(principal, action, resource); @id("a") forbid(principal, action, resource);',
        '@id("a"): the id is used twice',
    ),
    (
        '@id("p") permit(principal, action == Action::"bank/pya", resource);',
        '@id("p"): there is no Action "bank/pya"; did you mean "bank/pay"?',
    ),
    (
        '@id("p") permit(principal, action, resource == Tool::"bank/pya");',
        'there is no Tool "bank/pya"; did you mean "bank/pay"?',
    ),
    (
        '@id("p") permit(principal, action, resource in Server::"bnak");',
        'there is no Server "bnak"; did you mean "bank"?',
    ),
    (
        '@id("p") permit(principal, action in [Action::"call", Action::"wirte"], resource);',
        'there is no Action "wirte"; did you mean "write"?',
    ),
    (_permit('resource in Tenant::"retial"'), 'there is no Tenant "retial"; did you mean "retail"?'),
    (_permit('principal.tenant == Tenant::"retial"'), 'there is no Tenant "retial"; did you mean "retail"?'),
    (
        '@id("p") permit(principal, action, resource == Toolset::"dsk");',
        'there is no Toolset "dsk"; did you mean "desk"?',
    ),
    (_permit("context.arguments.amuont_minor < 5"), 'not found; did you mean "amount_minor"?'),
    (_permit('resource.rsik == "high"'), 'not found; did you mean "risk"?'),
    (_permit('principal.clinet == "x"'), 'not found; did you mean "client"?'),
    (_permit('context.arguments.note == "x"'), "ask first whether it is there: `... has note && ...`"),
    (_permit("context.arguments.amount_minor < 5", 'in Action::"call"'), "name the action in the scope"),
    (_permit('context.arguments.extra == "x"'), "attribute `arguments.extra`"),
    (_permit("context.arguments.amount_minor < true"), "expected"),
    ('@id("p") permit(principal in Server::"bank", action, resource);', "unable to find an applicable action"),
    ('@id("p") permit(principal is Group, action, resource);', "unable to find an applicable action"),
    ('@id("p") permit(principal in Role::"x", action, resource);', "unrecognized entity type `Role`"),
    (_permit("false"), "can never match"),
    (_permit("context.arguments has amuont_minor"), "can never match"),
    (_permit("!(context.arguments has amount_minor)"), "can never match"),
    (_permit("context.arguments has note && principal has boss && principal.boss"), "can never match"),
    ('@id("p") forbid(principal, action, resource) unless { true };', "can never match"),
    (
        '@id("p") permit(principal,action in Action::"read",resource) unless { action == Action::"bank/get_account" };',
        "can never match",
    ),
    (_permit('resource.risk == "hihg"'), "can never match"),
    (_permit('resource.risk == "low"'), "can never match"),
    (_permit('resource.labels.contains("mony") && context.arguments.amount_minor < 5'), "can never match"),
    (_permit('resource.operation == "red"', 'in Action::"call"'), "can never match"),
    ('@id("p") permit(principal, action == Action::"bank/pay", resource in Server::"risk");', "can never match"),
    (
        '@id("p") permit(principal, action in Action::"call", resource in Toolset::"desk");',
        "unable to find an applicable",
    ),
    ('@id("p") @obligation("aprove") permit(principal, action, resource);', 'did you mean "approve"?'),
    ('@id("p") @obligation("reason, aprove") permit(principal, action, resource);', 'did you mean "approve"?'),
    ('@id("p") @obligation("") permit(principal, action, resource);', 'there is no obligation ""'),
    ('@id("p") @obligation("reason,") permit(principal, action, resource);', 'there is no obligation ""'),
    ('@id("p") @obligation("approve") forbid(principal, action, resource);', "an obligation on a forbid has no effect"),
    ('@id("p") @obligaton("approve") permit(principal, action, resource);', 'did you mean "obligation"?'),
    ('@id("p") permit(principal == ?principal, action, resource);', "templates are not supported"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_broken_policy_is_named_with_what_to_do(text: str, message: str) -> None:
    found = problems(text)
    assert message in "\n".join(str(problem) for problem in found)
    assert all(problem.file == "policies/a.cedar" and problem.remedy for problem in found)


def test_every_broken_policy_is_told_in_one_go() -> None:
    text = (
        '@id("a") permit(principal, action == Action::"nope/nope", resource);'
        '@id("b") permit(principal, action == Action::"bank/pay", resource) when { false };'
        '@id("c") permit(principal, action == Action::"bank/pay", resource) when { resource.x };'
        "permit(principal, action, resource);"
    )
    assert [problem.field for problem in problems(text)] == ["policy 4", '@id("a")', '@id("b")', '@id("c")']


def test_ids_are_unique_over_all_files() -> None:
    text = '@id("a") permit(principal, action, resource);'
    answer = compile_policies({"policies/a.cedar": text, "policies/b.cedar": text}, FACTS)
    assert isinstance(answer, tuple)
    assert {problem.file for problem in answer} == {"policies/a.cedar", "policies/b.cedar"}


GUARD_RAILS = [
    '@id("p") forbid(principal, action in Action::"delete", resource);',
    '@id("p") forbid(principal, action in Action::"call", resource) when { resource.risk == "critical" };',
    '@id("p") forbid(principal, action, resource in Server::"risk") when { resource is Tool && resource.rank > 3 };',
    '@id("p") forbid(principal, action in Action::"delete", resource) unless { resource.labels.contains("money") };',
]


@pytest.mark.parametrize("text", GUARD_RAILS)
def test_a_guard_rail_may_precede_the_tools_that_it_guards(text: str) -> None:
    assert compiled(text).digest


def test_policies_about_groups_and_people_nobody_has_seen_are_fine() -> None:
    assert compiled('@id("p") permit(principal in Group::"new", action, resource) unless { principal == User::"eve" };')


def test_the_schema_is_written_in_cedar_for_people() -> None:
    text = compiled("").schema_text
    assert 'action "bank/pay" in [Action::"write"]' in text
    assert "amount_minor: __cedar::Long" in text
    assert "rate?: __cedar::decimal" in text


def test_without_servers_and_policies_there_is_an_empty_bundle() -> None:
    assert compiled("", Facts()).slices == {}


ODD_SCHEMAS: list[dict[str, object]] = [
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    {"properties": {"a": {"$ref": "#/properties/a"}}},
    {"properties": {"a": {"type": ["string", "integer"]}, "b": {"oneOf": []}, "c": True, "d": {"items": []}}},
    {"properties": {"__entity": {"type": "string"}, "": {"type": "string"}, 'q"\\\n': {"type": "string"}}},
    {"properties": {"a": {"type": "array"}, "b": {"type": "array", "prefixItems": [], "items": {"type": "string"}}}},
    {"properties": {"a": {"properties": {"b": {"properties": {"c": {"type": "null"}}}}}}},
    {"properties": 3, "required": "x"},
    {"type": "string"},
]


@pytest.mark.parametrize("schema", ODD_SCHEMAS)
def test_any_pinned_schema_compiles(schema: dict[str, object]) -> None:
    tool = ToolFacts(RETAIL, BANK, ToolId('odd "tool"'), "read", "low", (), schema)
    facts = Facts(FACTS.tenants, FACTS.servers, FACTS.toolsets, (*FACTS.tools, tool))
    bundle = compiled('@id("p") permit(principal, action in Action::"read", resource);', facts)
    assert bundle.tool(BANK, ToolId('odd "tool"')).policy_ids == ("p",)


def test_a_policy_of_one_tenants_folder_binds_that_tenant_only() -> None:
    text = '@id("p") permit(principal, action in Action::"call", resource);'
    bundle = compile_policies({"policies/retail/p.cedar": text}, FACTS)
    assert isinstance(bundle, PolicyBundle)
    assert bundle.tool(BANK, ToolId("pay")).policy_ids == ("p",)
    other = compile_policies({"policies/group/p.cedar": text}, FACTS)
    assert isinstance(other, PolicyBundle), "a tool of that tenant may still come"
    assert other.tool(BANK, ToolId("pay")).policy_ids == ()


def test_a_folder_of_policies_that_is_no_tenants_is_a_mistake() -> None:
    answer = compile_policies({"policies/retial/p.cedar": '@id("p") permit(principal, action, resource);'}, FACTS)
    assert isinstance(answer, tuple)
    assert 'there is no tenant "retial"; did you mean "retail"?' in str(answer[0])


CONSOLE = '@id("c") forbid(principal, action in Action::"console", resource);'


def test_policies_of_the_console_are_kept_apart_from_those_of_tools() -> None:
    bundle = compiled(CONSOLE)
    assert bundle.tool(BANK, ToolId("pay")).policy_ids == ()
    assert bundle.console.digest != compiled("").console.digest
    assert "the id is used twice" in str(problems(CONSOLE + CONSOLE)[0])


def test_a_policy_of_the_console_is_for_the_whole_installation() -> None:
    answer = compile_policies({"policies/retail/c.cedar": CONSOLE}, FACTS)
    assert isinstance(answer, tuple)
    assert "bound to one tenant" in str(answer[0])


def test_a_policy_that_cannot_be_evaluated_somewhere_does_not_excuse_another() -> None:
    failing = '@id("p") permit(principal, action, resource) when { action in Action::"call" && resource.rank > 3 };'
    never = '@id("q") permit(principal, action == Action::"bank/pay", resource) when { resource.risk == "hihg" };'
    assert [problem.field for problem in problems(failing + never)] == ['@id("q")']


MANY = Facts(
    FACTS.tenants,
    FACTS.servers,
    FACTS.toolsets,
    tuple(
        ToolFacts(RETAIL, BANK, ToolId(f"t{number}"), "write", "low", (), {"properties": {"a": {"type": "string"}}})
        for number in range(300)
    ),
)


def test_of_hundreds_of_tools_that_a_policy_is_wrong_for_one_is_told() -> None:
    text = '@id("p") permit(principal, action in Action::"write", resource) when { context.arguments.amuont == 1 };'
    (problem,) = problems(text, MANY)
    assert 'Action::"bank/t' in problem.what
    assert compiled('@id("p") permit(principal, action in Action::"write", resource);', MANY)


def test_the_same_tools_and_policies_have_one_digest_and_others_another() -> None:
    text = '@id("p") permit(principal, action in Action::"write", resource);'
    assert compiled(text).digest == compiled(text).digest
    others = {
        compiled(text).digest,
        compiled(text.replace('"p"', '"q"')).digest,
        compiled(text + CONSOLE).digest,
        compiled(text, MANY).digest,
        compiled(text, Facts(FACTS.tenants, FACTS.servers, (), FACTS.tools)).digest,
    }
    assert len(others) == 5


def _tools(*kinds: tuple[str, tuple[str, ...]]) -> Facts:
    """Return facts with writing tools bank/a, bank/b, ... of these risks and labels."""
    named = zip("abc", kinds, strict=False)
    tools = (ToolFacts(RETAIL, BANK, ToolId(name), "write", risk, labels, {}) for name, (risk, labels) in named)
    return Facts(FACTS.tenants, FACTS.servers, FACTS.toolsets, tuple(tools))


CHANGED = [
    ('when { resource is Tool && resource.labels.contains("x") }', 'action in Action::"write"', ("low", ("x",))),
    ('when { resource.risk == "high" }', 'action == Action::"bank/a"', ("high", ())),
    ("when { context.arguments has a }", 'action == Action::"bank/a"', None),
]


@pytest.mark.parametrize(("condition", "action", "before"), CHANGED)
def test_what_was_sound_is_looked_at_again_when_what_it_can_see_has_changed(
    condition: str, action: str, before: tuple[str, tuple[str, ...]] | None
) -> None:
    text = f'@id("p") permit(principal, {action}, resource) {condition};'
    schema = {"properties": {"a": {"type": "string"}}}
    first = ToolFacts(RETAIL, BANK, ToolId("a"), "write", "low", (), schema)
    facts = _tools(before) if before else Facts(FACTS.tenants, FACTS.servers, FACTS.toolsets, (first,))
    compiler = PolicyCompiler()
    assert isinstance(compiler.compile({"p": text}, facts), PolicyBundle)
    answer = compiler.compile({"p": text}, _tools(("low", ())))
    assert isinstance(answer, tuple)
    assert "can never match" in str(answer[0])


def test_a_policy_that_leaves_one_tool_out_is_tried_on_the_others_like_it() -> None:
    labels = 'resource.labels.contains("x") && !resource.labels.contains("y")'
    text = f'@id("p") permit(principal, action in Action::"write", resource) when {{ {labels} && %s }};'
    facts = _tools(("low", ("x",)), ("low", ("x",)), ("low", ("y",)))
    assert compiled(text % 'resource != Tool::"bank/a"', facts)
    assert compiled(text % 'resource in Server::"bank"', _tools(("low", ("y",)), ("low", ("x",))))
    assert "can never match" in str(problems(text % 'resource == Tool::"bank/c"', facts)[0])
