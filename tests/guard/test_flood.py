"""Refusals without a known sender: recorded one by one up to a limit, then counted, with bounded memory."""

from tallystick.guard.flood import ADDRESSES, WINDOW_S, Flood, Unrecorded


def test_the_first_refusals_of_an_address_are_recorded_and_the_rest_is_counted() -> None:
    flood = Flood(per_address=3)
    assert [flood.strike("a", 100.0) for _ in range(5)] == [True, True, True, False, False]
    assert flood.strike("b", 100.0)
    assert flood.due(100.0 + WINDOW_S) == Unrecorded(100.0, 160.0, 2, 1)


def test_what_was_not_recorded_is_told_once() -> None:
    flood = Flood(per_address=0)
    flood.strike("a", 100.0)
    assert flood.due(159.9) is None
    assert flood.due(160.0) is not None
    assert flood.due(160.0) is None
    assert flood.due(300.0) is None


def test_a_new_window_records_again() -> None:
    flood = Flood(per_address=1)
    assert [flood.strike("a", 100.0), flood.strike("a", 101.0)] == [True, False]
    flood.due(161.0)
    assert flood.strike("a", 161.0)


def test_a_window_without_anything_to_tell_ends_by_itself() -> None:
    flood = Flood(per_address=1)
    assert flood.strike("a", 100.0)
    assert flood.strike("a", 160.0)


def test_a_window_that_nobody_asked_about_keeps_counting_and_loses_nothing() -> None:
    flood = Flood(per_address=1)
    assert [flood.strike("a", 100.0), flood.strike("a", 100.0), flood.strike("a", 500.0)] == [True, False, False]
    assert flood.due(500.0) == Unrecorded(100.0, 500.0, 2, 1)


def test_many_addresses_together_are_bounded_too() -> None:
    flood = Flood(per_address=10, in_all=50)
    recorded = sum(flood.strike(f"{number}", 100.0) for number in range(1000))
    assert recorded == 50
    assert flood.drain(101.0) == Unrecorded(100.0, 101.0, 950, 950)


def test_memory_is_bounded_and_addresses_beyond_it_share_one_count() -> None:
    flood = Flood(per_address=2, in_all=1_000_000)
    for number in range(ADDRESSES):
        flood.strike(f"{number}", 100.0)
    assert [flood.strike(f"further {number}", 100.0) for number in range(4)] == [True, True, False, False]
    assert flood.strike("0", 100.0)
    assert flood.drain(101.0) == Unrecorded(100.0, 101.0, 2, 1)


def test_a_refused_client_is_told_when_to_come_back() -> None:
    flood = Flood()
    flood.strike("a", 100.0)
    assert flood.retry_after_s(100.0) == 61
    assert flood.retry_after_s(159.5) == 1
    assert flood.retry_after_s(170.0) == 1
