"""One text, one value: what two parsers could read differently is no JSON here."""

import json
import random

import pytest

from tallystick.terms import strict_json

AMBIGUOUS = {
    "a key twice": (b'{"a":1,"a":1}', 'the key "a" is written twice'),
    "a deep key twice": (b'[[{"b":{"a":1,"c":2,"a":3}}]]', 'the key "a" is written twice'),
    "a key twice, once escaped": (b'{"a":1,"\\u0061":1}', 'the key "a" is written twice'),
    "an empty key twice": (b'{"":1,"":1}', 'the key "" is written twice'),
    "NaN": (b"[NaN]", "NaN is not JSON"),
    "Infinity": (b"Infinity", "Infinity is not JSON"),
    "minus Infinity": (b'{"a":-Infinity}', "-Infinity is not JSON"),
    "a number past every double": (b"[1e999]", "a number is too large"),
    "a number below every double": (b"-1e999", "a number is too large"),
    "a byte-order mark": (b"\xef\xbb\xbf{}", "byte-order mark"),
    "half of a surrogate pair": (b'"\\ud800"', "half of a surrogate pair"),
    "the other half": (b'{"\\uDC00":1}', "half of a surrogate pair"),
    "too many levels": (b"[" * 65 + b"]" * 65, "nests too deeply"),
    "too many levels of both kinds": (b'[{"a":' * 33 + b"1" + b"}]" * 33, "nests too deeply"),
    "more levels than the stack": (b"[" * 100_000 + b"]" * 100_000, "nests too deeply"),
}


@pytest.mark.parametrize(("raw", "why"), AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_could_be_read_in_two_ways_is_refused_and_named(raw: bytes, why: str) -> None:
    with pytest.raises(strict_json.AmbiguousError, match=why):
        strict_json.read(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"a":1,}',
        b"[1]x",
        b"\xff",
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b"'a'",
        b"01",
        b"+1",
        b'"\t"',
        b"1" * 5000,
    ],
)
def test_what_is_no_json_in_utf_8_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the promise, the words are the parser's
        strict_json.read(raw)


def test_why_it_was_refused_can_be_told_to_anybody() -> None:
    for name in ("\\ud800", "\u00e9", "x" * 10_000, "\\u0000\\n"):
        with pytest.raises(strict_json.AmbiguousError) as refused:
            strict_json.read(f'{{"{name}":1,"{name}":2}}'.encode())
        told = str(refused.value)
        assert told.isascii()
        assert told.isprintable()
        assert len(told) < 300


def test_a_key_twice_among_many_is_found_at_once() -> None:
    names = [*map(str, range(200_000)), "199999"]
    with pytest.raises(strict_json.AmbiguousError, match='"199999"'):
        strict_json.read(b"{" + ",".join(f'"{name}":0' for name in names).encode() + b"}")


@pytest.mark.parametrize("levels", [1, 63, 64])
def test_a_value_may_nest_up_to_the_limit(levels: int) -> None:
    raw = b"[" * levels + b'"[[[["' + b"]" * levels
    assert strict_json.read(raw) == json.loads(raw)
    assert not strict_json.nests_too_deeply(raw, json.loads(raw))


def test_brackets_in_a_text_are_no_levels() -> None:
    assert strict_json.read(b'["' + b"[{" * 500 + b'"]') == ["[{" * 500]


@pytest.mark.parametrize(
    "raw", [b'{"a":1,"A":2}', b'"\\ud83d\\ude00"', b" [1 , 2.50] ", b"-0.0", b"9" * 308, b"1" + b"0" * 308, b"null"]
)
def test_everything_else_is_read_as_it_stands(raw: bytes) -> None:
    value = strict_json.read(raw)
    assert repr(value) == repr(json.loads(raw))


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_text_is_refused_or_read_as_python_reads_it(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - values to test with, not secrets
    for _ in range(100):
        raw = bytearray(b'{"a":[1,-2.5e3,true,"x\\u00e9"],"b":{"c":null}}')
        for _ in range(chance.randint(0, 3)):
            raw[chance.randrange(len(raw))] = chance.choice(b'\x00\xff"{}[],:\\e-0 ab')
        try:
            value = strict_json.read(bytes(raw))
        except ValueError:
            continue
        assert repr(value) == repr(json.loads(raw))


@pytest.mark.parametrize("raw", [b"9" * 309, b"-" + b"9" * 309, b'{"a":[' + b"1" * 400 + b"]}"])
def test_an_integer_beyond_a_double_is_refused(raw: bytes) -> None:
    with pytest.raises(strict_json.AmbiguousError, match="too large"):
        strict_json.read(raw)
    assert strict_json.may_hold_huge_integers(raw)
    assert not strict_json.may_hold_huge_integers(b'{"a":"' + b"x1" * 400 + b'"}')
