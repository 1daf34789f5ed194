"""What a toolset changes of a tool: its words, its arguments, and what its callers must not choose."""

import msgspec
import pytest

from tallystick.guard import Validator, check_arguments, compile_schema
from tallystick.toolsets import PublishedTool
from tests.toolsets.bank import DOCUMENTS, PAY, Json, desk, said, sound, tool


def _pay(override: Json, changes: dict[str, Json] | None = None) -> PublishedTool:
    rules: Json = {"members": [{"server": "bank", "tools": ["pay"]}], "overrides": {"tools": {"bank/pay": override}}}
    (published,) = sound(rules, changes).tools
    return published


def _wrong(override: Json) -> str:
    problems = desk({"members": [{"server": "bank"}], "overrides": {"tools": {"bank/pay": override}}})
    assert isinstance(problems, tuple)
    return said(problems)


def _schema(published: PublishedTool) -> Json:
    return msgspec.convert(published.definition["inputSchema"], Json)


def _validator(published: PublishedTool) -> Validator:
    assert published.schema is not None
    compiled = compile_schema(published.schema)
    assert isinstance(compiled, Validator)
    return compiled


def test_words_change_and_nothing_else_does() -> None:
    published = _pay({"name": "send_money", "title": "Send", "description": "Sends money inside of the bank."})
    assert published.name == "send_money"
    assert (published.server, published.tool, published.schema) == ("bank", "pay", None)
    changed = {"name": "send_money", "title": "Send", "description": "Sends money inside of the bank."}
    assert published.definition == {**PAY, **changed}


def test_an_empty_override_leaves_the_pinned_definition_under_its_published_name() -> None:
    assert _pay({}).definition == {**PAY, "name": "bank__pay"}


def test_narrowed_arguments_are_listed_and_judged() -> None:
    published = _pay({"arguments": {"amount": {"maximum": 100}}})
    assert msgspec.convert(_schema(published)["properties"], dict[str, Json])["amount"]["maximum"] == 100
    assert published.schema == published.definition["inputSchema"]
    validator = _validator(published)
    assert check_arguments(validator, {"to": "ada", "amount": 100, "currency": "EUR"}) is None
    assert check_arguments(validator, {"to": "ada", "amount": 101, "currency": "EUR"}) is not None


def test_a_rule_that_widens_is_a_problem_of_the_override() -> None:
    assert 'toolsets/desk.yaml: overrides.tools "bank/pay"' in _wrong({"arguments": {"amount": {"minimum": 0}}})
    assert "bank/pay" in _wrong({"arguments": {"amuont": {"maximum": 1}}})


def test_a_fixed_argument_is_not_listed_and_is_judged_with_the_others() -> None:
    published = _pay({"fixed": {"currency": "CHF"}})
    listed = _schema(published)
    assert sorted(msgspec.convert(listed["properties"], Json)) == ["amount", "to"]
    assert listed["required"] == ["to", "amount"]
    assert published.fixed == {"currency": "CHF"}
    assert check_arguments(_validator(published), {"to": "ada", "amount": 1, "currency": "CHF"}) is None
    # The pinned definition itself is as it was.
    assert '"required":["to","amount","currency"]' in msgspec.json.encode(DOCUMENTS["pins/bank.json"]).decode()


@pytest.mark.parametrize(
    ("fixed", "wrong"),
    [
        ({"currency": "USD"}, "the fixed value does not fit the schema: /currency"),
        ({"currrency": "EUR"}, 'there is no argument "currrency"; known: amount, currency, to'),
        ({"amount": 0}, "the fixed value does not fit the schema: /amount"),
    ],
)
def test_a_fixed_value_that_the_tool_would_refuse_is_a_problem(fixed: Json, wrong: str) -> None:
    assert wrong in _wrong({"fixed": fixed})


def test_an_argument_is_either_narrowed_or_fixed() -> None:
    rules: Json = {"fixed": {"amount": 5}, "arguments": {"amount": {"maximum": 9}}}
    with pytest.raises(AssertionError, match="is fixed, so no rule can narrow it"):
        _pay(rules)


def test_an_argument_that_the_schema_combines_with_others_cannot_be_fixed() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    pin: Json = {"tools": [tool("get"), tool("pay", inputSchema=schema)]}
    rules: Json = {"members": [{"server": "bank"}], "overrides": {"tools": {"bank/pay": {"fixed": {"a": "x"}}}}}
    problems = desk(rules, {"pins/bank.json": pin})
    assert isinstance(problems, tuple)
    assert '"a" cannot be fixed: the schema speaks of it outside of `properties`' in said(problems)


def test_bounds_on_the_number_of_arguments_count_without_the_fixed_ones() -> None:
    schema = {**msgspec.convert(PAY["inputSchema"], Json), "minProperties": 3, "maxProperties": 3}
    pin: Json = {"tools": [tool("get"), tool("pay", inputSchema=schema)]}
    listed = _schema(_pay({"fixed": {"currency": "CHF", "amount": 5}}, {"pins/bank.json": pin}))
    assert (listed["minProperties"], listed["maxProperties"]) == (1, 1)


def test_a_tool_whose_results_are_trimmed_promises_no_output_schema() -> None:
    published = _pay({"trim": {"fields": {"drop": ["$.ok"]}}})
    assert "outputSchema" not in published.definition
    assert published.trim is not None


def test_a_rule_beside_a_fixed_argument_binds_calls_and_not_only_what_is_listed() -> None:
    judged = _validator(_pay({"fixed": {"to": "house"}, "arguments": {"amount": {"maximum": 5}}}))
    call = {"to": "house", "currency": "EUR"}
    assert check_arguments(judged, {**call, "amount": 5}) is None
    assert check_arguments(judged, {**call, "amount": 6}) is not None
