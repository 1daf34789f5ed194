"""Bounds of money: by currency, as numbers, counts of minor units and decimal texts, and no way around them."""

import random
from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from tallystick.guard import BadSchema, check_arguments, compile_schema
from tallystick.registry.rules import tighten

MAXIMUM = {"EUR": "10000", "JPY": "1500000", "KWD": "99.999"}


def _schema(amount: Mapping[str, object], currency: Mapping[str, object] | None = None) -> Mapping[str, object]:
    return {
        "type": "object",
        "properties": {"sum": amount, "currency": currency or {"type": "string"}, "note": {"type": "string"}},
    }


def _tight(amount: Mapping[str, object], **money: object) -> Mapping[str, object]:
    tight = tighten(_schema(amount), {"sum": {"money": {"currency": "currency", "maximum": MAXIMUM} | money}})
    assert not isinstance(tight, str), tight
    return tight


def _judge(schema: Mapping[str, object], currency: object) -> Callable[[object], bool]:
    compiled = compile_schema(schema)
    assert not isinstance(compiled, BadSchema), compiled.what
    return lambda sum_: check_arguments(compiled, {"sum": sum_, "currency": currency}) is None


def _accepts(schema: Mapping[str, object], sum_: object, currency: object = "EUR") -> bool:
    return _judge(schema, currency)(sum_)


TEXT, NUMBER, COUNT = {"type": "string"}, {"type": "number"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("amount", "unit", "fits", "refused"),
    [
        (NUMBER, "major", (0, 1, 9999.99, 10000), (10000.01, -1, 1e9, "5", None, True)),
        (COUNT, "minor", (0, 1, 1_000_000), (1_000_001, -1, "5")),
        (TEXT, "major", ("0", "0.5", "9999.99", "10000", "10000.0", "10000.00"), ("10000.01", "-1", "1e3", " 5", 5)),
        (
            TEXT,
            "major",
            ("1",),
            ("00001", "+1", "1.", ".5", "1.005", "10,000", "\uff11", "5\n", "0x10", "Infinity", "NaN", ""),
        ),
        (TEXT, "minor", ("0", "1000000"), ("1000001", "1.5", "-1")),
        ({"type": ["string", "number"]}, "major", ("10000", 10000), ("10001", 10001)),
        ({}, "major", ("10000", 10000), ("10001", 10001, None, [1], {"a": 1}, True)),
    ],
)
def test_a_sum_above_its_bound_is_refused_in_every_form(
    amount: Mapping[str, object], unit: str, fits: tuple[object, ...], refused: tuple[object, ...]
) -> None:
    tight = _tight(amount, unit=unit)
    assert [one for one in fits if not _accepts(tight, one)] == []
    assert [one for one in refused if _accepts(tight, one)] == []


def test_each_currency_has_its_own_bound_and_its_own_minor_unit() -> None:
    tight = _tight(COUNT, unit="minor")
    assert _accepts(tight, 1_500_000, "JPY")
    assert not _accepts(tight, 1_500_001, "JPY")
    assert not _accepts(tight, 1_500_000, "EUR")
    assert _accepts(tight, 99_999, "KWD")
    assert not _accepts(tight, 100_000, "KWD")
    text = _tight(TEXT)
    assert _accepts(text, "99.999", "KWD")
    assert not _accepts(text, "1.5", "JPY")


@pytest.mark.parametrize("currency", ["USD", "eur", "EUR ", "", None, 5, ["EUR"]])
def test_a_currency_without_a_bound_is_refused(currency: object) -> None:
    assert not _accepts(_tight(NUMBER), 1, currency)


@pytest.mark.parametrize("arguments", [{"sum": 1}, {"currency": "EUR"}, {}])
def test_leaving_out_the_sum_or_its_currency_is_no_way_around_the_bound(arguments: Mapping[str, object]) -> None:
    compiled = compile_schema(_tight(NUMBER))
    assert not isinstance(compiled, BadSchema)
    assert check_arguments(compiled, arguments) is not None


def test_one_fixed_currency_needs_no_argument() -> None:
    money = {"currency": "EUR", "maximum": {"EUR": "10"}}
    schema = {"type": "object", "properties": {"sum": {"type": "number"}}}
    tight = tighten(schema, {"sum": {"money": money}})
    assert not isinstance(tight, str)
    compiled = compile_schema(tight)
    assert not isinstance(compiled, BadSchema)
    assert check_arguments(compiled, {"sum": 10}) is None
    assert check_arguments(compiled, {"sum": 11}) is not None


@pytest.mark.parametrize(
    ("money", "why"),
    [
        ({"currency": "nobody", "maximum": {"EUR": "1"}}, 'has the currency "nobody", which is no argument'),
        ({"currency": "EUR", "maximum": {"EUR": "1", "USD": "1"}}, "the only maximum has to be one for it"),
        ({"currency": "currency", "maximum": {"EUR": "1"}, "minimum": {"USD": "1"}}, "but no maximum for USD"),
        ({"currency": "currency", "maximum": {"EUR": "1"}, "minimum": {"EUR": "2"}}, "leaves nothing in EUR"),
        ({"currency": "currency", "maximum": {"JPY": "1.5"}}, "JPY has more than 0 digits behind the point"),
        ({"currency": "currency", "maximum": {"EUR": "1.005"}}, "EUR has more than 2 digits"),
    ],
)
def test_a_rule_about_money_that_cannot_hold_is_told(money: Mapping[str, object], why: str) -> None:
    told = tighten(_schema(NUMBER), {"sum": {"money": money}})
    assert isinstance(told, str)
    assert "sum.money" in told
    assert why in told


def test_a_sum_that_is_no_amount_takes_no_rule_about_money() -> None:
    told = tighten(_schema({"type": "boolean"}), {"sum": {"money": {"currency": "EUR", "maximum": {"EUR": "1"}}}})
    assert isinstance(told, str)
    assert "says nothing about boolean" in told


@pytest.mark.parametrize("seed", range(25))
def test_decimal_texts_are_judged_exactly_as_their_values(seed: int) -> None:
    """The pattern that bounds texts, against decimal arithmetic."""
    chance = random.Random(seed)  # noqa: S311 - chosen tests, no secrets
    digits = chance.choice([0, 2, 3])
    code = {0: "JPY", 2: "EUR", 3: "KWD"}[digits]
    bounds = sorted(Decimal(chance.randint(0, 10 ** chance.randint(1, 8))).scaleb(-digits) for _ in range(2))
    low, high = (f"{bound:f}" for bound in bounds)
    accepts = _judge(_tight(TEXT, maximum={code: high}, minimum={code: low}), code)
    near = [bound + Decimal(step).scaleb(-digits) for bound in bounds for step in (-11, -10, -2, -1, 0, 1, 2, 9, 10)]
    far = [Decimal(chance.randint(0, 10**9)).scaleb(-digits) for _ in range(60)]
    for value in (*near, *far):
        for text in {f"{value:f}", f"{value.normalize():f}", f"{value.quantize(Decimal(1)):f}"}:
            expected = bounds[0] <= Decimal(text) <= bounds[1] and not text.startswith("-")
            assert accepts(text) == expected, (text, low, high)


def _deep(rule: Mapping[str, object]) -> Mapping[str, object] | str:
    properties = {"amount": {"type": "number"}, "currency": {"type": "string"}}
    schema = {"type": "object", "properties": {"payment": {"type": "object", "properties": properties}}}
    return tighten(schema, {"payment": {"properties": {"amount": {"money": rule}}}})


@pytest.mark.parametrize(
    ("payment", "fits"),
    [
        ({"amount": 5, "currency": "EUR"}, True),
        ({"amount": 6, "currency": "EUR"}, False),
        ({"amount": 5, "currency": "USD"}, False),
        ({"amount": 5}, False),
        ({}, False),
    ],
)
def test_a_sum_inside_of_an_argument_is_bounded_as_one_beside_it(payment: Mapping[str, object], fits: bool) -> None:  # noqa: FBT001 - a case
    tight = _deep({"currency": "currency", "maximum": {"EUR": "5"}})
    assert not isinstance(tight, str), tight
    compiled = compile_schema(tight)
    assert not isinstance(compiled, BadSchema)
    assert (check_arguments(compiled, {"payment": payment}) is None) is fits


def test_a_rule_about_money_inside_of_an_argument_that_cannot_hold_is_told() -> None:
    told = _deep({"currency": "nobody", "maximum": {"EUR": "1"}})
    assert isinstance(told, str)
    assert "amount.money has the currency" in told


def test_a_rule_about_money_for_the_elements_of_a_list_is_refused_because_it_would_not_be_kept() -> None:
    schema = {"type": "object", "properties": {"sums": {"type": "array", "items": {"type": "number"}}}}
    told = tighten(schema, {"sums": {"items": {"money": {"currency": "EUR", "maximum": {"EUR": "1"}}}}})
    assert isinstance(told, str)
    assert "sums.items.money cannot be kept" in told
