"""What is kept of a call, whose it is, and what money it moves: as its tool is classified, and never guessed."""

from dataclasses import replace

import pytest

from tallystick.audit import leaf, model
from tallystick.gateway.context import Recording, money_of, person_of
from tallystick.registry import Tool
from tallystick.terms import Caller, Digest, TenantId, ToolId

KEY = bytes(range(32))
BANK = TenantId("bank")
CALLER = Caller("ada", "person", BANK, "https://idp.example", "desk", "a", 0.0)
PAY = Tool(ToolId("pay"), "write", "high", (), {}, Digest("sha256:" + "0" * 64))


def _contents(**fields: bytes) -> tuple[model.Content, ...]:
    return tuple(model.Content(name, content) for name, content in fields.items())


def test_everything_that_fits_is_kept_and_named() -> None:
    contents = _contents(args=b"{}", prompt=b"pay")
    whose, capture = Recording().keep("ref", None, contents)
    assert whose == model.Whose("ref", "standard", ("args", "prompt"))
    assert capture == model.Capture("ref", "standard", contents)


def test_a_payload_that_is_too_large_is_not_kept_and_the_leaf_says_so() -> None:
    recording = Recording(payload_bytes=4)
    whose, capture = recording.keep("ref", "ten-years", _contents(args=b"12345", prompt=b"1234"))
    assert whose == model.Whose("ref", "ten-years", ("prompt",), ("args",))
    assert capture == model.Capture("ref", "ten-years", _contents(prompt=b"1234"))
    assert recording.keep("ref", None, _contents(result=b"12345")) == (
        model.Whose("ref", "standard", (), ("result",)),
        None,
    )


def test_where_nothing_is_kept_the_leaf_says_nothing_of_it() -> None:
    assert Recording(payloads=False).keep("ref", None, _contents(args=b"{}")) == (None, None)


def test_payloads_are_the_callers_unless_the_tool_names_somebody_else() -> None:
    own = leaf.subject_ref(KEY, BANK, "ada")
    assert person_of(KEY, CALLER, None, {}) == person_of(KEY, CALLER, PAY, {"customer": "ada"}) == own
    named = replace(PAY, subject="customer")
    assert person_of(KEY, CALLER, named, {"customer": 4711}) == leaf.subject_ref(KEY, BANK, "customer=4711")
    assert person_of(KEY, CALLER, named, {"customer": "4711"}) == leaf.subject_ref(KEY, BANK, "customer=4711")
    for nobody in ({}, {"customer": None}, {"customer": True}, {"customer": ["4711"]}, {"customer": 1.5}):
        assert person_of(KEY, CALLER, named, nobody) == own


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (45000, "45000"),
        (-3, "-3"),
        (450.5, "450.5"),
        ("0450.50", "0450.50"),
        (1e21, None),
        (float("1e-7"), None),
        ("4,50", None),
        ("EUR 4", None),
        ("٣", None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_an_amount_is_a_decimal_number_or_nothing(amount: object, told: str | None) -> None:
    assert money_of(replace(PAY, amount="sum", currency="EUR"), {"sum": amount}) == (told, "EUR")


def test_a_currency_is_a_code_or_the_argument_that_holds_one() -> None:
    moving = replace(PAY, amount="sum", currency="unit")
    assert money_of(moving, {"sum": 1, "unit": "USD"}) == ("1", "USD")
    assert money_of(moving, {"sum": 1, "unit": "dollars"}) == ("1", None)
    assert money_of(moving, {"sum": 1}) == ("1", None)
    assert money_of(replace(moving, currency="EUR"), {"sum": 1, "EUR": "JPY"}) == ("1", "EUR")
    assert money_of(replace(PAY, amount="sum"), {"sum": 1}) == ("1", None)
    assert money_of(PAY, {"sum": 1}) == (None, None)
