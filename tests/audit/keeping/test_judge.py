"""What a hold or a statute protects is not forgotten, and the reason is said."""

import pytest

from tallystick.audit.keeping.classes import BUILT_IN, RetentionClass, class_of, effective, seconds
from tallystick.audit.keeping.judge import Block, Held, Hold, erasure_blocks, expiry_blocks
from tallystick.terms import TallyError

ANA, BEN = "a" * 64, "b" * 64
NOW = seconds("2026-11-21")
RECENT = Held(ANA, "standard", "2026-05-01T00:00:00.000000Z")
REGULATED = Held(ANA, "sec-17a-4", "2024-03-01T00:00:00.000000Z")
CLASSES = effective(())


def _hold(**parts: str) -> Hold:
    return Hold("case-12", "Smith v. Bank", "2026-11-01T00:00:00.000000Z", **parts)


def test_nothing_speaks_against_erasing_what_no_law_and_no_hold_protects() -> None:
    assert erasure_blocks([RECENT], CLASSES, [], NOW) == []


def test_a_statute_blocks_erasure_until_its_years_are_over_and_says_when() -> None:
    [block] = erasure_blocks([REGULATED, RECENT], CLASSES, [], NOW)
    assert block == Block("sec-17a-4", "statute", "SEC 17a-4(a), FINRA 4511: kept for 6 years, until 2030-03-01")
    assert erasure_blocks([REGULATED], CLASSES, [], seconds("2030-03-02")) == []


def test_the_newest_payload_of_a_class_decides_since_they_share_a_key() -> None:
    old = REGULATED._replace(ts="2010-01-01T00:00:00.000000Z")
    assert erasure_blocks([old], CLASSES, [], NOW) == []
    assert [block.by for block in erasure_blocks([old, REGULATED], CLASSES, [], NOW)] == ["statute"]


def test_a_class_that_nobody_defined_is_not_erased() -> None:
    [block] = erasure_blocks([RECENT._replace(retention="unheard-of")], CLASSES, [], NOW)
    assert "not defined" in block.why


@pytest.mark.parametrize(
    ("hold", "blocks"),
    [
        (_hold(), True),
        (_hold(subject=ANA), True),
        (_hold(subject=BEN), False),
        (_hold(retention="standard"), True),
        (_hold(retention="sox"), False),
        (_hold(since="2026-05-01T00:00:00.000000Z"), True),
        (_hold(since="2026-05-01T00:00:00.000001Z"), False),
        (_hold(until="2026-05-01T00:00:00.000001Z"), True),
        (_hold(until="2026-05-01T00:00:00.000000Z"), False),
    ],
)
def test_a_hold_blocks_erasure_of_what_it_covers_and_of_nothing_else(hold: Hold, blocks: bool) -> None:  # noqa: FBT001 - a row of the table
    found = erasure_blocks([RECENT], CLASSES, [hold], NOW)
    assert found == ([Block("standard", "hold", "legal hold case-12: Smith v. Bank")] if blocks else [])


@pytest.mark.parametrize(
    ("hold", "blocks"),
    [
        (_hold(), True),
        (_hold(retention="sox"), False),
        (_hold(since="2026-01-01T00:00:00Z"), False),
        (_hold(subject=ANA), True),
        (_hold(subject=BEN), False),
        (_hold(subject=ANA, since="2024-01-01T00:00:00Z"), False),
    ],
)
def test_a_hold_stops_the_expiry_of_what_it_covers(hold: Hold, blocks: bool) -> None:  # noqa: FBT001 - a row of the table
    due = [Held(ANA, "standard", "2020-01-01T00:00:00.000000Z"), RECENT]
    assert bool(expiry_blocks("standard", "2025-01-01T00:00:00.000000Z", due, [hold])) is blocks


def test_a_configured_class_replaces_the_built_in_one_of_its_name() -> None:
    mine = RetentionClass("standard", 1, "house rule 7")
    classes = effective([mine])
    assert classes["standard"] is mine
    assert classes["sox"] is BUILT_IN["sox"]


@pytest.mark.parametrize("years", [0, -1, 1000, "five", None])
def test_a_class_without_sound_years_is_refused(years: object) -> None:
    with pytest.raises(TallyError, match="retention class"):
        class_of({"name": "odd", "years": years, "law": "none"})


def test_every_built_in_class_names_its_law_and_its_years() -> None:
    for found in BUILT_IN.values():
        assert found.law
        assert found.years > 0
        assert class_of(found.to_json()) == found


def test_what_is_no_time_is_told_with_an_example() -> None:
    with pytest.raises(TallyError, match="2026-11-21"):
        seconds("yesterday")
