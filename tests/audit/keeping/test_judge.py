"""What a hold or a statute protects is not forgotten, and the reason is said."""

import time

import pytest

from tallystick.audit.keeping.classes import (
    BUILT_IN,
    Promise,
    RetentionClass,
    class_of,
    effective,
    expiry_of,
    seconds,
)
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
        (_hold(since="2025-01-01T00:00:00Z"), False),
        (_hold(since="2024-12-31T23:59:59Z"), True),
        (_hold(subject=BEN, until="2030-01-01T00:00:00Z"), False),
    ],
)
def test_a_hold_stops_the_expiry_of_what_it_covers(hold: Hold, blocks: bool) -> None:  # noqa: FBT001 - a row of the table
    due = [
        Held(ANA, "standard", "2020-01-01T00:00:00.000000Z"),
        RECENT,
        Held(BEN, "sox", "2020-01-01T00:00:00.000000Z"),
    ]
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


def test_the_classes_of_statutes_are_these() -> None:
    protected = {name for name, found in BUILT_IN.items() if found.statutory}
    assert protected == BUILT_IN.keys() - {"standard", "short"}


@pytest.mark.parametrize("wrong", [{"tier_after_days": -1}, {"budget_bytes": -1}, {"years": 100.5}])
def test_a_class_with_negative_days_or_bytes_or_past_a_century_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TallyError, match="retention class odd"):
        class_of({"name": "odd", "years": 1, "law": "none", **wrong})


def test_a_time_without_a_zone_is_in_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with monkeypatch.context() as patched:
            patched.setenv("TZ", "Asia/Tokyo")
            time.tzset()
            assert seconds("2026-11-21") == seconds("2026-11-21T00:00:00Z")
    finally:
        time.tzset()


def test_what_was_promised_ends_with_its_years_and_holds_for_what_was_kept_before() -> None:
    promise = Promise(BUILT_IN["sox"], "2024-06-01T00:00:00.000000Z")
    before, after = "2024-05-31T00:00:00.000000Z", "2024-06-01T00:00:00.000000Z"
    assert promise.covers("sox", before, NOW)
    assert not promise.covers("sox", after, NOW)
    assert not promise.covers("pci", before, NOW)
    assert not promise.covers("sox", before, seconds("2031-06-02"))
    weak = RetentionClass("sox", 1, "house")
    assert expiry_of(weak, [promise], NOW) == promise.found.expiry(NOW)
    assert expiry_of(weak, [promise], seconds("2031-07-01")) == weak.expiry(seconds("2031-07-01"))
    assert expiry_of(RetentionClass("pci", 1, "x"), [promise], NOW) == weak.expiry(NOW)


def test_what_is_no_time_is_told_with_an_example() -> None:
    with pytest.raises(TallyError, match="2026-11-21"):
        seconds("yesterday")
