"""The form of argument rules: which keywords a rule may have and what stands under each.

amount: {money: {currency: currency, maximum: {EUR: "10000"}}}
reason: {required: true, minLength: 10}
"*": false
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Final, NamedTuple

from tallystick.registry.plain import as_list, as_number, as_object
from tallystick.settings import Section

OTHERS: Final = "*"
"""Stands for every argument that the schema does not name: `"*": false` refuses them."""
MONEY: Final = "money"
REQUIRED: Final = "required"
CURRENCY: Final = r"[A-Z]{3}"
DECIMAL: Final = r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,6})?"
"""A sum as people write it in rules: not negative, no exponent."""
_LARGEST: Final = 2**53 - 1


class Keyword(NamedTuple):
    """`fits`: whether a value may stand under it; `schema` says the same as JSON Schema; `doc`: what it does."""

    fits: Callable[[object], bool]
    expected: str
    schema: Mapping[str, object]
    doc: str


def read_rules(section: Section) -> Mapping[str, object]:
    """Return the rules in a section (argument -> rule), unchanged; every fault in their form is told there."""
    rules = section.whole()
    for name, rule in rules.items():
        if name == OTHERS:
            if rule is not False:
                section.fault(name, "is not false", "write false: arguments that the schema does not name are refused")
        elif isinstance(rule, Mapping):
            _check(section.section(name))
        else:
            section.fault(name, "is not a mapping", "write the rule's keywords here, such as `maximum: 100`")
    return rules


def _check(rule: Section) -> None:
    values = rule.whole()
    if not values:
        rule.fault("", "rules nothing", "write a keyword here, such as `maximum: 100`, or leave it out")
    for name, value in values.items():
        keyword = KEYWORDS.get(name)
        if name in {"items", "properties"}:
            _check_inside(rule, name)
        elif keyword is None:
            rule.fault(name, "is no rule that is known here", f"choose some of {', '.join(sorted(KEYWORDS))}")
        elif not keyword.fits(value):
            rule.fault(name, f"is not {keyword.expected}", f"write {keyword.expected} here")


def _check_inside(rule: Section, name: str) -> None:
    if not isinstance(rule.whole()[name], Mapping):
        rule.fault(name, "is not a mapping", "write a rule here")
        return
    if name == "items":
        _check(rule.section(name))
        return
    inner = rule.section(name)
    if not inner.whole():
        inner.fault("", "rules nothing", "name a member, or leave it out")
    for member in inner.whole():
        if isinstance(inner.whole()[member], Mapping):
            _check(inner.section(member))
        else:
            inner.fault(member, "is not a mapping", "write a rule here")


def _is_anything(_: object) -> bool:
    return True


def _is_true(value: object) -> bool:
    return value is True


def _is_false(value: object) -> bool:
    return value is False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: object) -> bool:
    number = as_number(value)
    return number is not None and isfinite(number) and abs(number) <= _LARGEST


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | bool) or _is_number(value)


def _is_choice(value: object) -> bool:
    values = as_list(value)
    return bool(values) and all(_is_scalar(one) for one in values)


def _is_sums(value: object) -> bool:
    sums = as_object(value)
    return bool(sums) and all(
        re.fullmatch(CURRENCY, code) and isinstance(most, str) and re.fullmatch(DECIMAL, most)
        for code, most in sums.items()
    )


def _is_money(value: object) -> bool:
    money = as_object(value)
    return (
        {"currency", "maximum"} <= money.keys() <= {"currency", "maximum", "minimum", "unit"}
        and _is_text(money["currency"])
        and money.get("unit", "major") in ("major", "minor")
        and _is_sums(money["maximum"])
        and ("minimum" not in money or _is_sums(money["minimum"]))
    )


_SCALAR: Final[Mapping[str, object]] = {
    "type": ["string", "number", "boolean", "null"],
    "minimum": -_LARGEST,
    "maximum": _LARGEST,
}
_NUMBER: Final[Mapping[str, object]] = {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST}
_COUNT: Final[Mapping[str, object]] = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
_SUMS: Final[Mapping[str, object]] = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": f"^{CURRENCY}$"},
    "additionalProperties": {"type": "string", "pattern": f"^{DECIMAL}$"},
}
_MONEY: Final[Mapping[str, object]] = {
    "type": "object",
    "properties": {
        "currency": {"type": "string", "minLength": 1},
        "maximum": _SUMS,
        "minimum": _SUMS,
        "unit": {"enum": ["major", "minor"]},
    },
    "required": ["currency", "maximum"],
    "additionalProperties": False,
}


def _number(doc: str) -> Keyword:
    return Keyword(_is_number, "a number", _NUMBER, doc)


def _count(doc: str) -> Keyword:
    return Keyword(_is_count, "a whole number", _COUNT, doc)


KEYWORDS: Final[Mapping[str, Keyword]] = {
    "enum": Keyword(
        _is_choice,
        "a list of texts, numbers, true, false or null",
        {"type": "array", "items": _SCALAR, "minItems": 1},
        "The only values that are allowed.",
    ),
    "const": Keyword(_is_scalar, "a text, a number, true, false or null", _SCALAR, "The only value that is allowed."),
    "pattern": Keyword(
        _is_text,
        "a regular expression",
        {"type": "string", "minLength": 1},
        "A regular expression that a text must match somewhere; anchor it with ^ and $.",
    ),
    "minLength": _count("The least number of characters of a text."),
    "maxLength": _count("The greatest number of characters of a text."),
    "minimum": _number("The least number."),
    "maximum": _number("The greatest number."),
    "exclusiveMinimum": _number("A number below the least."),
    "exclusiveMaximum": _number("A number above the greatest."),
    "minItems": _count("The least number of elements of a list."),
    "maxItems": _count("The greatest number of elements of a list."),
    "uniqueItems": Keyword(_is_true, "true", {"const": True}, "No element of a list twice."),
    REQUIRED: Keyword(_is_true, "true", {"const": True}, "The argument has to be given."),
    "additionalProperties": Keyword(_is_false, "false", {"const": False}, "No members that the schema does not name."),
    MONEY: Keyword(
        _is_money,
        "{currency, maximum, minimum?, unit?}",
        _MONEY,
        "Bounds of a sum by currency. `currency`: the argument that holds its code, or a code (ISO 4217). `maximum` "
        'and `minimum` (0 without): sums as texts in whole units of the currency, `EUR: "10000.00"`; one without a '
        "maximum is refused. `unit` minor: the argument counts cents. Sums as decimal texts are bounded too.",
    ),
    "items": Keyword(_is_anything, "a rule", {"$ref": "#/$defs/rule"}, "A rule for every element of a list."),
    "properties": Keyword(
        _is_anything,
        "rules by member",
        {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/rule"}},
        "Rules for the members of an object.",
    ),
}
"""Every keyword of a rule."""
