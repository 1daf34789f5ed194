"""Rules only narrow: what the outcome accepts, the schema accepted before; everything else is told and not done."""

import random
from collections.abc import Callable, Mapping

import pytest

from tallystick.guard import BadSchema, check_arguments, compile_schema
from tallystick.registry.rules import KEYWORDS, tighten

SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "minimum": 0, "maximum": 1000},
        "ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "currency": {"type": "string", "enum": ["EUR", "USD", "JPY"]},
        "iban": {"type": "string", "pattern": "^[A-Z]{2}", "maxLength": 34},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
        "to": {"type": "object", "properties": {"name": {"type": "string"}, "city": {"type": "string"}}},
        "place": {"$ref": "#/$defs/place"},
        "maybe": {"type": ["string", "null"]},
        "any": {},
        "either": {"type": ["number", "string"]},
        "none": False,
    },
    "required": ["amount"],
    "$defs": {"place": {"type": "string", "enum": ["Berlin", "Bern", "Paris"]}},
}
SOUND: Mapping[str, object] = {"amount": 5}


def _judge(schema: Mapping[str, object]) -> Callable[[Mapping[str, object]], bool]:
    compiled = compile_schema(schema)
    assert not isinstance(compiled, BadSchema), compiled.what
    return lambda arguments: check_arguments(compiled, arguments) is None


def _accepts(schema: Mapping[str, object], arguments: Mapping[str, object]) -> bool:
    return _judge(schema)(arguments)


def _tight(rules: Mapping[str, object], schema: Mapping[str, object] = SCHEMA) -> Mapping[str, object]:
    tight = tighten(schema, rules)
    assert not isinstance(tight, str), tight
    return tight


NARROWED: list[tuple[Mapping[str, object], Mapping[str, object], Mapping[str, object]]] = [
    ({"amount": {"maximum": 100}}, {"amount": 100}, {"amount": 101}),
    ({"amount": {"exclusiveMaximum": 100}}, {"amount": 99}, {"amount": 100}),
    ({"amount": {"minimum": 10}}, {"amount": 10}, {"amount": 9}),
    ({"amount": {"enum": [5, 10]}}, {"amount": 10}, {"amount": 6}),
    ({"amount": {"const": 5}}, {"amount": 5}, {"amount": 6}),
    ({"ratio": {"exclusiveMinimum": 0.5}}, SOUND | {"ratio": 0.6}, SOUND | {"ratio": 0.5}),
    ({"currency": {"enum": ["EUR"]}}, SOUND | {"currency": "EUR"}, SOUND | {"currency": "USD"}),
    ({"currency": {"required": True}}, SOUND | {"currency": "EUR"}, SOUND),
    ({"iban": {"pattern": "^DE"}}, SOUND | {"iban": "DE89"}, SOUND | {"iban": "FR89"}),
    ({"iban": {"pattern": "9$"}}, SOUND | {"iban": "DE89"}, SOUND | {"iban": "de89"}),
    ({"iban": {"maxLength": 4, "minLength": 2}}, SOUND | {"iban": "DE89"}, SOUND | {"iban": "DE890"}),
    ({"tags": {"maxItems": 1}}, SOUND | {"tags": ["a"]}, SOUND | {"tags": ["a", "b"]}),
    ({"tags": {"minItems": 1}}, SOUND | {"tags": ["a"]}, SOUND | {"tags": []}),
    ({"tags": {"uniqueItems": True}}, SOUND | {"tags": ["a", "b"]}, SOUND | {"tags": ["a", "a"]}),
    ({"tags": {"items": {"maxLength": 1}}}, SOUND | {"tags": ["a"]}, SOUND | {"tags": ["aa"]}),
    (
        {"to": {"properties": {"name": {"enum": ["Ada"]}}}},
        SOUND | {"to": {"name": "Ada"}},
        SOUND | {"to": {"name": "B"}},
    ),
    ({"to": {"properties": {"city": {"required": True}}}}, SOUND | {"to": {"city": "B"}}, SOUND | {"to": {}}),
    ({"to": {"additionalProperties": False}}, SOUND | {"to": {"name": "A"}}, SOUND | {"to": {"x": 1}}),
    ({"place": {"enum": ["Bern"]}}, SOUND | {"place": "Bern"}, SOUND | {"place": "Paris"}),
    ({"maybe": {"minLength": 2}}, SOUND | {"maybe": None}, SOUND | {"maybe": "a"}),
    ({"any": {"maximum": 2}}, SOUND | {"any": 2}, SOUND | {"any": 3}),
    ({"any": {"maximum": 2}}, SOUND | {"any": 1.5}, SOUND | {"any": "1"}),
    ({"either": {"maximum": 2}}, SOUND | {"either": 2}, SOUND | {"either": "9"}),
    ({"either": {"maximum": 2, "maxLength": 1}}, SOUND | {"either": "9"}, SOUND | {"either": "10"}),
    ({"*": False}, SOUND, SOUND | {"stray": 1}),
]


@pytest.mark.parametrize(("rules", "fits", "refused"), NARROWED)
def test_a_rule_refuses_what_the_schema_let_pass_and_nothing_beside_it(
    rules: Mapping[str, object], fits: Mapping[str, object], refused: Mapping[str, object]
) -> None:
    tight = _tight(rules)
    assert _accepts(tight, fits)
    assert not _accepts(tight, refused)


@pytest.mark.parametrize("keyword", sorted(KEYWORDS))
def test_every_keyword_is_tried(keyword: str) -> None:
    assert keyword == "money" or keyword in str([rules for rules, _, _ in NARROWED])


LOOSE: list[tuple[Mapping[str, object], str]] = [
    ({"nobody": {"maximum": 1}}, "nobody is no argument; known: amount, any, currency"),
    ({"none": {"maximum": 1}}, "none is no argument"),
    ({"to": {"properties": {"nobody": {"const": 1}}}}, "to.nobody is no argument; known: city, name"),
    ({"amount": {"maximum": 1001}}, "amount.maximum is 1001, above the schema's own 1000"),
    ({"amount": {"exclusiveMaximum": 2000}}, "amount.exclusiveMaximum is 2000, above the schema's own 1000"),
    ({"amount": {"minimum": -1}}, "amount.minimum is -1, below the schema's own 0"),
    ({"ratio": {"maximum": 2}}, "ratio.maximum is 2, above the schema's own 1"),
    ({"iban": {"maxLength": 35}}, "iban.maxLength is 35, above the schema's own 34"),
    ({"tags": {"maxItems": 6}}, "tags.maxItems is 6, above the schema's own 5"),
    ({"currency": {"enum": ["EUR", "GBP"]}}, "currency.enum has 'GBP', which the schema does not allow"),
    ({"currency": {"const": 5}}, "currency.const has 5, which the schema does not allow"),
    ({"amount": {"enum": [5, 2000]}}, "amount.enum has 2000"),
    ({"place": {"enum": ["Rome"]}}, "place.enum has 'Rome', which the schema does not allow"),
    ({"iban": {"maximum": 5}}, "iban.maximum says nothing about string"),
    ({"amount": {"pattern": "^1"}}, "amount.pattern says nothing about integer"),
    ({"amount": {"minimum": 10, "maximum": 5}}, "amount leaves nothing: minimum is 10 and maximum 5"),
    ({"iban": {"pattern": "("}}, "nothing can be judged by"),
]


@pytest.mark.parametrize(("rules", "why"), LOOSE)
def test_what_is_no_tightening_is_told_with_its_place(rules: Mapping[str, object], why: str) -> None:
    told = tighten(SCHEMA, rules)
    assert isinstance(told, str)
    assert why in told


def test_every_fault_is_told_and_not_only_the_first() -> None:
    told = tighten(SCHEMA, {"nobody": {"const": 1}, "amount": {"maximum": 5000}})
    assert isinstance(told, str)
    assert "nobody" in told
    assert "5000" in told


def test_the_given_schema_is_left_as_it_was() -> None:
    before = repr(SCHEMA)
    _tight({"amount": {"maximum": 5}, "to": {"properties": {"name": {"maxLength": 3}}}, "*": False})
    assert repr(SCHEMA) == before


def test_no_rules_change_nothing() -> None:
    assert _tight({}) == SCHEMA


def test_elements_that_the_schema_describes_one_by_one_take_no_common_rule() -> None:
    schema = {"properties": {"pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}}}
    told = tighten(schema, {"pair": {"items": {"maxLength": 1}}})
    assert isinstance(told, str)
    assert "pair.items cannot be added" in told


@pytest.mark.parametrize(
    "draft", ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-06/schema#"]
)
def test_what_an_older_draft_does_not_know_is_told_or_holds_all_the_same(draft: str) -> None:
    schema = {"$schema": draft, "properties": {"sum": {"type": "number"}, "currency": {"type": "string"}}}
    money = {"currency": "currency", "maximum": {"EUR": "10", "JPY": "1000"}}
    bounded = _tight({"sum": {"money": money}, "currency": {"const": "EUR"}}, schema)
    assert _accepts(bounded, {"sum": 10, "currency": "EUR"})
    assert not _accepts(bounded, {"sum": 11, "currency": "EUR"})
    assert not _accepts(bounded, {"sum": 10, "currency": "JPY"})
    exclusive = tighten(schema, {"sum": {"exclusiveMaximum": 5}})
    assert isinstance(exclusive, str) or not _accepts(exclusive, {"sum": 5})


def test_a_rule_beside_a_reference_holds_in_older_drafts_too() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"place": {"$ref": "#/definitions/place"}},
        "definitions": {"place": {"type": "string"}},
    }
    tight = _tight({"place": {"enum": ["Bern"]}}, schema)
    assert _accepts(tight, {"place": "Bern"})
    assert not _accepts(tight, {"place": "Paris"})


_VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, 1, 5, 100, 999, 1000, 1001, 0.5, 1.5, "", "EUR", "USD", "DE89", "Bern", "x" * 40),
    *([], ["a"], ["a", "a"], ["a"] * 6, {}, {"name": "Ada"}, {"name": 1}, {"x": 1}),
)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_outcome_accepts_the_schema_accepted_before(seed: int) -> None:
    """INVARIANT of tightening, over random sets of rules and arguments."""
    chance = random.Random(seed)  # noqa: S311 - chosen tests, no secrets
    rules: dict[str, object] = {}
    for one, _, _ in chance.sample(NARROWED, 4):
        rules |= one
    tight = tighten(SCHEMA, rules)
    assert not isinstance(tight, str), tight
    narrow, wide = _judge(tight), _judge(SCHEMA)
    names = ("amount", "ratio", "currency", "iban", "tags", "to", "place", "maybe", "any", "stray")
    for _ in range(300):
        arguments = {**{name: chance.choice(_VALUES) for name in chance.sample(names, chance.randint(0, 4))}, **SOUND}
        assert not narrow(arguments) or wide(arguments), arguments


@pytest.mark.parametrize("seed", range(10))
def test_rules_over_rules_only_narrow_further(seed: int) -> None:
    """A toolset tightens what the server's owner has tightened already."""
    chance = random.Random(seed)  # noqa: S311 - chosen tests, no secrets
    first, second = (rules for rules, _, _ in chance.sample(NARROWED, 2))
    tight = _tight(first)
    twice = tighten(tight, second)
    narrow, wide = _judge(tight if isinstance(twice, str) else twice), _judge(tight)
    for _, fits, refused in NARROWED:
        for arguments in (fits, refused):
            assert not narrow(arguments) or wide(arguments)


def test_a_reference_beside_the_arguments_is_no_way_around_a_rule() -> None:
    """Drafts up to 7 do not look at what stands beside `$ref`."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/transfer",
        "properties": {"amount": {"type": "number"}},
        "definitions": {"transfer": {"type": "object", "required": ["to"]}},
    }
    tight = _tight({"amount": {"maximum": 5}}, schema)
    assert _accepts(tight, {"to": "ada", "amount": 5})
    assert not _accepts(tight, {"to": "ada", "amount": 6})
    assert not _accepts(tight, {"amount": 5})
