"""Arguments are checked against the pinned schema; a refusal names the place and the rule, never the value."""

import pytest

from tallystick.guard import BadSchema, Validator, check_arguments, compile_schema
from tallystick.terms import Reason, Refusal


def _validator(schema: dict[str, object]) -> Validator:
    compiled = compile_schema(schema)
    assert isinstance(compiled, Validator)
    return compiled


PAY: dict[str, object] = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "maximum": 100},
        "to": {"type": "object", "properties": {"iban/bic": {"type": "string", "pattern": "^[A-Z]+$"}}},
        "kind": {"enum": ["a", "b"]},
    },
    "required": ["amount"],
    "additionalProperties": False,
}

BAD: list[tuple[dict[str, object], str]] = [
    ({"amount": "SECRET"}, 'at /amount, rule "type"'),
    ({"amount": 987654321}, 'at /amount, rule "maximum"'),
    ({}, 'rule "required" (member "amount" is missing)'),
    ({"amount": 1, "SECRET": 1}, 'at /, rule "additionalProperties"'),
    ({"amount": 1, "kind": "SECRET"}, 'at /kind, rule "enum"'),
    ({"amount": 1, "to": {"iban/bic": "SECRET1"}}, 'at /to/iban~1bic, rule "pattern"'),
    ({"amount": True}, 'at /amount, rule "type"'),
]


@pytest.mark.parametrize(("arguments", "place"), BAD)
def test_a_refusal_names_place_and_rule_and_never_the_value(arguments: dict[str, object], place: str) -> None:
    refusal = check_arguments(_validator(PAY), arguments)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reasons) == ("invalid", (Reason.ARGUMENTS_INVALID,))
    assert place in refusal.public_text
    assert "SECRET" not in refusal.public_text + refusal.detail
    assert "987654321" not in refusal.public_text + refusal.detail


def test_arguments_that_fit_pass() -> None:
    assert check_arguments(_validator(PAY), {"amount": 1, "to": {"iban/bic": "AB"}, "kind": "a"}) is None


def test_a_long_member_name_is_cut() -> None:
    schema: dict[str, object] = {"type": "object", "additionalProperties": {"type": "integer"}}
    refusal = check_arguments(_validator(schema), {"x" * 10_000: "y"})
    assert isinstance(refusal, Refusal)
    assert len(refusal.public_text) < 400


@pytest.mark.parametrize("reference", ["http://127.0.0.1:1/x.json", "file:///etc/passwd", "other.json", "#/$defs/none"])
def test_a_reference_outside_of_the_schema_is_never_followed(reference: str) -> None:
    assert isinstance(compile_schema({"properties": {"a": {"$ref": reference}}}), BadSchema)


def test_a_reference_inside_of_the_schema_works() -> None:
    schema: dict[str, object] = {"properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    assert check_arguments(_validator(schema), {"a": 1}) is None
    assert isinstance(check_arguments(_validator(schema), {"a": "x"}), Refusal)


@pytest.mark.parametrize(
    "schema", [{"type": "objct"}, {"$schema": "https://example.com/own"}, {"properties": {"a": {"pattern": "("}}}]
)
def test_a_schema_that_is_no_schema_is_refused(schema: dict[str, object]) -> None:
    assert isinstance(compile_schema(schema), BadSchema)


def test_without_a_dialect_the_schema_is_read_as_2020_12() -> None:
    schema: dict[str, object] = {"properties": {"a": {"prefixItems": [{"type": "integer"}], "items": False}}}
    assert isinstance(check_arguments(_validator(schema), {"a": [1, 2]}), Refusal)
    older: dict[str, object] = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    assert isinstance(check_arguments(_validator(older), {"a": [1, 2]}), Refusal)
    assert check_arguments(_validator(schema), {"a": [1]}) is None


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=(a+)+$)(a+)+$"])
def test_a_pattern_made_to_explode_ends_in_a_refusal(pattern: str) -> None:
    validator = _validator({"properties": {"a": {"type": "string", "pattern": pattern}}})
    assert isinstance(check_arguments(validator, {"a": "a" * 50_000 + "b"}), Refusal)


def test_an_ordinary_pattern_has_no_limit_on_the_length_of_a_text() -> None:
    validator = _validator({"properties": {"a": {"type": "string", "pattern": "^(a|b|ab)*c$"}}})
    assert check_arguments(validator, {"a": "ab" * 50_000 + "c"}) is None
