"""Retention classes in `tally.yaml`."""

import pytest

from tallystick.settings import Settings, parse_settings
from tallystick.settings.model import RetentionClassSettings


def test_a_class_has_years_a_law_and_what_else_it_needs() -> None:
    text = b"audit: {classes: {house: {years: 2.5, law: rule 7, statutory: true, budget_bytes: 1000}}}"
    settings = parse_settings({"tally.yaml": text})
    assert isinstance(settings, Settings)
    house = RetentionClassSettings("house", 2.5, "rule 7", statutory=True, budget_bytes=1000)
    assert settings.audit.classes == (house,)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("{law: x}", "audit.classes.house.years"),
        ("{years: 5}", "audit.classes.house.law"),
        ("{years: 0, law: x}", "audit.classes.house.years"),
        ("{years: five, law: x}", "audit.classes.house.years"),
        ("{years: 5, law: x, years_more: 1}", "audit.classes.house.years_more"),
    ],
)
def test_a_class_that_cannot_be_right_is_told_with_its_place(said: str, fault: str) -> None:
    problems = parse_settings({"tally.yaml": f"audit: {{classes: {{house: {said}}}}}".encode()})
    assert not isinstance(problems, Settings)
    assert fault in [problem.field for problem in problems]


def test_a_name_that_cannot_be_a_directory_is_refused() -> None:
    problems = parse_settings({"tally.yaml": b"audit: {classes: {'../x': {years: 1, law: x}}}"})
    assert not isinstance(problems, Settings)
    assert "no name of a retention class" in str(problems[0])
