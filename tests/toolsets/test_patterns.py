"""Patterns and templates: what they fit, and that no text makes them slow."""

import pytest

from tallystick.toolsets.patterns import fits_template, matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("get", "get", True),
        ("get", "gets", False),
        ("*", "", True),
        ("g*t", "gt", True),
        ("g*t", "get", True),
        ("g*t", "gets", False),
        ("*a*b*", "xaxbx", True),
        ("*a*b*", "xbxa", False),
        ("a*a", "a", False),
        ("a*ba", "aba", True),
        ("ab*ba", "aba", False),
        ("g?t", "get", False),
        ("[a]", "[a]", True),
        ("a.c", "abc", False),
        ("**", "x", True),
    ],
)
def test_a_star_is_any_run_and_everything_else_stands_for_itself(pattern: str, text: str, *, expected: bool) -> None:
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("template", "uri", "expected"),
    [
        ("bank://rates/{name}", "bank://rates/eur", True),
        ("bank://rates/{name}", "bank://rates/", False),
        ("bank://rates/{name}", "bank://rates/a/b", False),
        ("bank://rates/{name}", "bank://rates", False),
        ("bank://{a}/x/{b}", "bank://1/x/2", True),
        ("bank://{a}/x/{b}", "bank://1/y/2", False),
        ("file:///{+path}", "file:///a/b/c", True),
        ("file:///{path*}", "file:///a/b", True),
        ("bank://rates{?q}", "bank://rates", True),
        ("bank://rates{?q}", "bank://rates?q=1", True),
        ("bank://rates", "bank://rates", True),
        ("bank://rates", "bank://rates2", False),
        ("{a}{b}", "xy", False),
    ],
)
def test_a_template_fits_the_uris_that_it_can_give(template: str, uri: str, *, expected: bool) -> None:
    assert fits_template(template, uri) is expected


def test_no_text_has_them_try_again_and_again() -> None:
    # With a regular expression, either would not end in a lifetime.
    assert not matches("*a" * 64 + "*b", "a" * 65_536)
    assert not fits_template("{a}-" * 64 + "{b}/x", "-" * 65_536)
