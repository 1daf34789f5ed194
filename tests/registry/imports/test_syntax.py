"""JSON with comments: what is taken out, and that nothing else is."""

import json
import random

import pytest

from tallystick.registry.imports.syntax import parse, without_comments


def test_comments_and_trailing_commas_are_blanked_out_in_place() -> None:
    text = '{ // one\r\n "a": [1, /* two\n lines */ 2, ], "b": {"c": 3,\t}, }'
    plain = without_comments(text)
    assert json.loads(plain) == {"a": [1, 2], "b": {"c": 3}}
    assert len(plain) == len(text)
    assert plain.count("\n") == text.count("\n")


@pytest.mark.parametrize("text", ["//x", "/* x */", ",]", ", }", '\\"//', "a\\\\", "/", "*/"])
def test_what_looks_like_a_comment_inside_a_text_stays(text: str) -> None:
    document = json.dumps({text: [text, text]})
    assert without_comments(document) == document


@pytest.mark.parametrize("text", ['{"a": 1,, }', "[,]", '{"a" /: 1}', '{"a": 1 // }', "{,}"])
def test_what_is_no_json_with_comments_stays_none(text: str) -> None:
    assert not isinstance(parse(text.encode(), "json"), dict)


def test_whatever_json_is_left_as_it_is_and_comments_anywhere_change_nothing() -> None:
    chance = random.Random(20251211)  # noqa: S311 - choices of a test
    for _ in range(300):
        value = {"root": _value(chance, 4)}
        plain = json.dumps(value)
        assert without_comments(plain) == plain
        tokens = json.JSONEncoder(separators=(", ", ": ")).iterencode(value)
        commented = "".join(chance.choice(["", " ", "/*,]*/", "// }\n"]) + token for token in tokens)
        assert json.loads(without_comments(commented)) == value


def _value(chance: random.Random, depth: int) -> object:
    kind = chance.randrange(6 if depth else 4)
    if kind < 3:
        return chance.choice([None, True, 1.5, -3, "", 'a"b', "//", "/*", ",}", "\\", "é\u2028"])
    if kind == 3:
        return "".join(chance.choice('",/*\\[]{}: x') for _ in range(6))
    items = [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return items if kind == 4 else {f'k"/{number}': item for number, item in enumerate(items)}


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert parse(b'\xef\xbb\xbf{"a": 1}', None) == {"a": 1}
    assert parse(b"\xef\xbb\xbfa: 1\n", "yaml") == {"a": 1}


def test_the_language_is_told_by_the_first_letters() -> None:
    assert parse(b"// x\n{}", None) == {}
    assert parse(b"[a]\nb = 1\n", None) == {"a": {"b": 1}}
    assert parse(b"a:\n  b: 1\n", None) == {"a": {"b": 1}}
