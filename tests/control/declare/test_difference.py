"""Two plain values, field by field."""

import pytest

from tallystick.control.declare.difference import Difference, differences, same


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, 1.0), ({"a": None}, {}), ([1, "a"], [1, "a"]), ({"a": {"b": [True]}}, {"a": {"b": [True]}}), (None, None)],
)
def test_what_json_takes_for_equal_differs_in_nothing(before: object, after: object) -> None:
    assert same(before, after)
    assert list(differences(before, after)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(1, True), (0, False), ("1", 1), ([], {}), ([1], [1, 2]), ([1, 2], [2, 1]), ({"a": 1}, {"b": 1}), (False, None)],
)
def test_what_json_takes_for_different_is_told(before: object, after: object) -> None:
    assert not same(before, after)
    assert list(differences({"x": before}, {"x": after}))


def test_places_are_json_pointers() -> None:
    before = {"a/b": {"c~d": 1}, "list": [{"x": 1}, {"y": 2}], "plain": ["a"]}
    after = {"a/b": {"c~d": 2}, "list": [{"x": 3}], "plain": ["a", "b"]}
    assert list(differences(before, after)) == [
        Difference("/a~1b/c~0d", 1, 2),
        Difference("/list/0/x", 1, 3),
        Difference("/list/1", {"y": 2}, None),
        Difference("/plain", ["a"], ["a", "b"]),
    ]
