"""What changed between two schemas: which way, and where."""

import pytest

from tallystick.registry.definition.changes import compare_schemas

Json = dict[str, object]


def _of(**properties: object) -> Json:
    return {"type": "object", "properties": properties}


CASES: list[tuple[object, object, set[tuple[str, str]]]] = [
    ({"maximum": 10}, {"maximum": 11}, {("wider", "")}),
    ({"maximum": 10}, {"maximum": 9}, {("narrower", "")}),
    ({"maximum": 10}, {}, {("wider", "")}),
    ({}, {"minLength": 2}, {("narrower", "")}),
    ({"minLength": 2}, {"minLength": 1}, {("wider", "")}),
    ({"pattern": "a"}, {"pattern": "b"}, {("unclear", "")}),
    ({"pattern": "a"}, {}, {("wider", "")}),
    ({"uniqueItems": True}, {}, {("wider", "")}),
    ({"type": "string"}, {"type": ["string", "null"]}, {("wider", "")}),
    ({"type": ["string", "null"]}, {"type": "string"}, {("narrower", "")}),
    ({"type": "integer"}, {"type": "number"}, {("wider", "")}),
    ({"type": "string"}, {"type": "number"}, {("breaking", "")}),
    ({"type": "string"}, {}, {("wider", "")}),
    ({"enum": [1, 2]}, {"enum": [1, 2, 3]}, {("wider", "")}),
    ({"enum": [1, 2]}, {"enum": [2]}, {("breaking", "")}),
    ({"enum": [1]}, {}, {("wider", "")}),
    ({}, {"const": 1}, {("narrower", "")}),
    (_of(a={}), _of(a={}, b={}), {("wider", "b")}),
    (_of(a={}), _of(a={}, b={}) | {"required": ["b"]}, {("breaking", "b")}),
    (_of(a={}), _of(a={}) | {"required": ["a"]}, {("breaking", "a")}),
    (_of(a={}) | {"required": ["a"]}, _of(a={}), {("wider", "a")}),
    (_of(a={}, b={}), _of(a={}), {("unclear", "b")}),
    (
        _of(a={}) | {"additionalProperties": False},
        {"type": "object", "additionalProperties": False},
        {("breaking", "a")},
    ),
    ({"additionalProperties": False}, {}, {("wider", "")}),
    ({"additionalProperties": False}, {"additionalProperties": True}, {("wider", "")}),
    ({}, {"additionalProperties": False}, {("narrower", "")}),
    (
        {"additionalProperties": {"maximum": 1}},
        {"additionalProperties": {"maximum": 2}},
        {("wider", "additionalProperties")},
    ),
    (_of(a=_of(b={"maximum": 1})), _of(a=_of(b={"maximum": 2})), {("wider", "a/b")}),
    ({"items": {"maximum": 1}}, {"items": {"maximum": 2}}, {("wider", "items")}),
    ({"items": {"maximum": 1}}, {}, {("wider", "items")}),
    ({"not": {"maximum": 1}}, {"not": {"maximum": 2}}, {("unclear", "")}),
    ({"anyOf": [{"maximum": 1}]}, {"anyOf": [{"maximum": 2}]}, {("wider", "anyOf/0")}),
    ({"anyOf": [{}]}, {"anyOf": [{}, {"type": "null"}]}, {("unclear", "anyOf")}),
    ({"$defs": {"a": {"maximum": 1}}}, {"$defs": {"a": {"maximum": 2}}}, {("wider", "$defs/a")}),
    ({"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}, {("unclear", "")}),
    (True, False, {("breaking", "")}),
    (False, {}, {("wider", "")}),
    ({"properties": {"a": True}}, {"properties": {"a": False}}, {("breaking", "a")}),
]


@pytest.mark.parametrize(("before", "after", "expected"), CASES)
def test_each_change_is_told_with_its_direction_and_place(
    before: object, after: object, expected: set[tuple[str, str]]
) -> None:
    assert {(change.direction, change.place) for change in compare_schemas(before, after)} == expected


def test_the_same_schema_has_no_changes_whatever_the_order_of_its_members() -> None:
    one = _of(a={"maximum": 1, "minimum": 0}, b={})
    assert compare_schemas(one, {"properties": {"b": {}, "a": {"minimum": 0, "maximum": 1}}, "type": "object"}) == ()


def test_what_a_model_reads_in_a_schema_is_told_as_text() -> None:
    (change,) = compare_schemas(_of(a={"description": "one two"}), _of(a={"description": "one three"}))
    assert (change.is_text, change.place) == (True, "a/description")
    assert "[-two-] {+three+}" in change.text


def test_what_no_place_was_found_for_still_counts_as_changed() -> None:
    deep: Json = {}
    other: Json = {"maximum": 1}
    for _ in range(40):
        deep, other = {"properties": {"a": deep}}, {"properties": {"a": other}}
    assert [change.direction for change in compare_schemas(deep, other)] == ["unclear"]
