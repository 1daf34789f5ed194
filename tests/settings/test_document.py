"""Documents say one thing to every reader, or are refused with the place and the remedy."""

import pytest

from tallystick.settings import Problem, parse_document

REFUSED = [
    ("x.yaml", b"a: 1\na: 2", 'the key "a" is written twice (line 2, column 1)'),
    ("x.yaml", b"a:\n  b: 1\n  b: 2", 'the key "b" is written twice (line 3, column 3)'),
    ("x.yaml", b"a: &x 1\nb: *x", "aliases are not supported (line 2, column 4)"),
    ("x.yaml", b"1: 2", "a key is not a text (quote it)"),
    ("x.yaml", b"- 1", "is not a mapping"),
    ("x.yaml", b"a: !!python/object:os.system {}", "could not determine a constructor"),
    ("x.yaml", b"a: !!float .inf", "holds a value that is not plain"),
    ("x.yaml", b"a: !!timestamp 2026-01-01", "holds a value that is not plain"),
    ("x.yaml", b"a: [", "expected the node content"),
    ("x.yaml", b"a: 1\n---\nb: 2", "but found another document"),
    ("x.yaml", b"[" * 100_000, "nested deeper than 64"),
    ("x.yaml", b"a: \x01", "special characters are not allowed"),
    ("x.yaml", b"\xff", "is not UTF-8 (byte 0)"),
    ("x.json", b'{"a": 1, "a": 2}', 'the key "a" is written twice'),
    ("x.json", b'{"a": {"b": 1, "b": 1}}', 'the key "b" is written twice'),
    ("x.json", b'{"a": NaN}', "NaN is not JSON"),
    ("x.json", b'{"a": 1e999}', "a number is too large"),
    ("x.json", b"[" * 100_000, "nests too deeply"),
    ("x.json", b"", "Expecting value"),
    ("x.json", b"\xef\xbb\xbf{}", "BOM"),
    ("x.toml", b"a = 1\na = 2", "Cannot overwrite a value"),
    ("x.toml", b"a = 2026-01-01", "holds a value that is not plain"),
    ("x.toml", b"a = " + b"[" * 100_000, "nests too deeply"),
]


@pytest.mark.parametrize(("name", "raw", "what"), REFUSED)
def test_a_document_that_can_be_read_in_two_ways_is_refused(name: str, raw: bytes, what: str) -> None:
    parsed = parse_document(name, raw)
    assert isinstance(parsed, Problem)
    assert what in parsed.what
    assert parsed.file == name
    assert parsed.remedy


def test_yaml_words_that_only_look_like_other_types_stay_texts() -> None:
    raw = b"a: [no, on, yes, 0777, 1_000, 12:30, 2026-01-01, .inf, <<]"
    expected = ["no", "on", "yes", "0777", "1_000", "12:30", "2026-01-01", ".inf", "<<"]
    assert parse_document("x.yaml", raw) == {"a": expected}


def test_yaml_scalars_of_the_core_schema_get_their_types() -> None:
    raw = b"a: [true, false, null, ~, -3, 0, 1.5, 1e3]\nb:\nc: ''"
    parsed = parse_document("x.yaml", raw)
    assert parsed == {"a": [True, False, None, None, -3, 0, 1.5, 1000.0], "b": None, "c": ""}


def test_a_merge_key_is_an_ordinary_key() -> None:
    assert parse_document("x.yaml", b"a: {<<: {b: 1}}") == {"a": {"<<": {"b": 1}}}


def test_an_empty_yaml_document_is_an_empty_mapping() -> None:
    assert parse_document("x.yaml", b"# nothing\n") == {}


def test_the_suffix_chooses_the_language() -> None:
    assert (
        parse_document("x.toml", b"a = 1") == parse_document("x.yml", b"a: 1") == parse_document("x.json", b'{"a":1}')
    )
