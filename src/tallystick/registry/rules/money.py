"""Bounds of a sum of money, by currency, for sums that are numbers, counts of minor units, or decimal texts."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from tallystick.registry.plain import as_list, as_object

MINOR_DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Digits behind the point (ISO 4217, minor units); every other currency has two."""
_USUAL: Final = 2


def with_money(schema: Mapping[str, object], argument: str, money: Mapping[str, object]) -> Mapping[str, object] | str:
    """Return `schema` with bounds for the sum in `argument`, or why they cannot be set.

    The sum, and the currency where that is an argument, have to be given, and a currency without a maximum is refused:
    a bound that another currency evades is none.
    """
    properties = as_object(schema.get("properties"))
    maximum, minimum, currency = _sums(money.get("maximum")), _sums(money.get("minimum")), str(money.get("currency"))
    if strays := sorted(minimum.keys() - maximum.keys()):
        return f"has a minimum but no maximum for {', '.join(strays)}"
    for code, most in maximum.items():
        if minimum.get(code, Decimal(0)) > most:
            return f"leaves nothing in {code}"
    bounds = {code: _bound(code, minimum.get(code), most, money) for code, most in maximum.items()}
    for code, bound in bounds.items():
        if isinstance(bound, str):
            return f"{code} {bound}"
    if currency not in properties:
        if list(maximum) != [currency]:
            return f'has the currency "{currency}", which is no argument, so the only maximum has to be one for it'
        return _with(schema, (argument,), {"properties": {argument: bounds[currency]}})
    # One alternative for each currency; `if` is not known to the older drafts that a server may choose.
    each = [
        {"properties": {currency: {"enum": [code]}, argument: bound}, "required": [currency, argument]}
        for code, bound in bounds.items()
    ]
    return _with(schema, (argument, currency), {"anyOf": each})


def _with(schema: Mapping[str, object], needed: tuple[str, ...], rule: Mapping[str, object]) -> Mapping[str, object]:
    required = as_list(schema.get("required"))
    return {
        **schema,
        "required": [*required, *(name for name in needed if name not in required)],
        "allOf": [*as_list(schema.get("allOf")), rule],
    }


def _bound(code: str, least: Decimal | None, most: Decimal, money: Mapping[str, object]) -> Mapping[str, object] | str:
    digits = MINOR_DIGITS.get(code, _USUAL)
    if any(-int(bound.normalize().as_tuple().exponent) > digits for bound in (least or Decimal(0), most)):
        return f"has more than {digits} digits behind the point"
    low = least or Decimal(0)
    if money.get("unit") == "minor":
        low, most, digits = low.scaleb(digits), most.scaleb(digits), 0
        return {
            "type": ["integer", "string"],
            "minimum": _plain(low),
            "maximum": _plain(most),
            "pattern": _pattern(low, most, 0),
        }
    return {
        "type": ["number", "string"],
        "minimum": _plain(low),
        "maximum": _plain(most),
        "pattern": _pattern(low, most, digits),
    }


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _pattern(low: Decimal, high: Decimal, digits: int) -> str:
    """Return a pattern for the decimal texts from `low` to `high` with up to `digits` digits behind the point."""
    whole_low, whole_high = int(low), int(high)
    choices: list[str] = []
    if whole_low == whole_high:
        choices.append(f"{whole_low}{_behind(_scaled(low, digits), _scaled(high, digits), digits)}")
    else:
        choices.append(f"{whole_low}{_behind(_scaled(low, digits), 10**digits - 1, digits)}")
        choices += [f"{part}{_any(digits)}" for part in _between(whole_low + 1, whole_high - 1)]
        choices.append(f"{whole_high}{_behind(0, _scaled(high, digits), digits)}")
    return f"^(?:{'|'.join(choices)})$"


def _scaled(value: Decimal, digits: int) -> int:
    return int((value - int(value)).scaleb(digits))


def _any(digits: int) -> str:
    return rf"(?:\.[0-9]{{1,{digits}}})?" if digits else ""


def _behind(low: int, high: int, digits: int) -> str:
    """Return a pattern for the digits behind the point from `low` to `high` (both scaled), short forms included."""
    if not digits:
        return ""
    forms: list[str] = []
    for length in range(1, digits + 1):
        step = 10 ** (digits - length)
        first, last = -(-low // step), high // step
        forms += [rf"\.{part}" for part in _between(first, last, length)]
    return f"(?:{'|'.join(forms)}){'?' if low == 0 else ''}" if forms else ""


def _between(low: int, high: int, width: int = 0) -> list[str]:
    """Return patterns that together match the whole numbers from `low` to `high`, padded with zeros to `width`."""
    if low > high:
        return []
    if width:
        return _digits(str(low).zfill(width), str(high).zfill(width))
    patterns: list[str] = []
    for length in range(len(str(low)), len(str(high)) + 1):
        least = max(low, 10 ** (length - 1) if length > 1 else 0)
        patterns += _digits(str(least), str(min(high, 10**length - 1)))
    return patterns


def _digits(low: str, high: str) -> list[str]:
    """Return patterns for the texts of digits from `low` to `high`, which are of one length."""
    if not low:
        return [""]
    first, last, rest = int(low[0]), int(high[0]), len(low) - 1
    if first == last:
        return [low[0] + part for part in _digits(low[1:], high[1:])]
    patterns: list[str] = []
    if low[1:] != "0" * rest:
        patterns += [low[0] + part for part in _digits(low[1:], "9" * rest)]
        first += 1
    upper: list[str] = []
    if high[1:] != "9" * rest:
        upper = [high[0] + part for part in _digits("0" * rest, high[1:])]
        last -= 1
    if first <= last:
        patterns.append(f"[{first}-{last}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return patterns + upper


def _sums(value: object) -> dict[str, Decimal]:
    return {code: Decimal(str(bound)) for code, bound in as_object(value).items()}
