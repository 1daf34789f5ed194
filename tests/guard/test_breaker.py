"""The circuit breaker: when a server is left alone, when it is asked again, and what counts as its failure."""

import pytest

from tallystick.guard import Breaker, Weight, weigh
from tallystick.terms import Reason, Refusal


def _opened() -> Breaker:
    breaker = Breaker(0.0, threshold=3)
    for second in range(3):
        breaker.fail(float(second))
    return breaker


def test_calls_pass_until_failures_in_a_row_reach_the_threshold() -> None:
    breaker = Breaker(0.0, threshold=3)
    assert [breaker.fail(1.0), breaker.fail(2.0)] == [False, False]
    assert breaker.closed
    assert breaker.fail(3.0)
    assert (breaker.state, breaker.since, breaker.failures) == ("open", 3.0, 3)


def test_a_success_in_between_starts_the_row_anew() -> None:
    breaker = Breaker(0.0, threshold=2)
    breaker.fail(1.0)
    breaker.succeed()
    assert not breaker.fail(2.0)
    assert breaker.closed


def test_an_open_circuit_is_told_of_once() -> None:
    breaker = _opened()
    assert not breaker.fail(3.0)
    assert breaker.failures == 4


def test_a_call_that_was_under_way_does_not_close_an_open_circuit() -> None:
    breaker = _opened()
    breaker.succeed()
    assert breaker.state == "open"


def test_a_probe_is_due_after_the_pause_and_there_is_one_at_a_time() -> None:
    breaker = _opened()
    assert breaker.wait(2.5) == 0.5
    assert not breaker.probe(2.9)
    assert breaker.probe(3.0)
    assert breaker.state == "half_open"
    assert not breaker.probe(3.0)


def test_each_failed_probe_doubles_the_pause_up_to_a_minute() -> None:
    breaker, now, pauses = _opened(), 2.0, list[float]()
    for _ in range(8):
        pauses.append(breaker.wait(now))
        now += pauses[-1]
        assert breaker.probe(now)
        breaker.probed(now, alive=False)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_good_probe_closes_the_circuit() -> None:
    breaker = _opened()
    breaker.probe(3.0)
    breaker.probed(3.5, alive=True)
    assert (breaker.state, breaker.since) == ("closed", 3.5)


def test_a_server_that_greets_and_does_not_work_keeps_nobody_away_for_longer_each_time() -> None:
    breaker = _opened()
    breaker.probe(3.0)
    breaker.probed(3.0, alive=True)
    assert [breaker.fail(4.0), breaker.fail(5.0), breaker.fail(6.0)] == [False, False, True]
    assert breaker.wait(6.0) == 1.0


def test_the_end_of_a_probe_that_nobody_made_means_nothing() -> None:
    breaker = _opened()
    breaker.probed(9.0, alive=True)
    assert breaker.state == "open"


@pytest.mark.parametrize(
    ("reason", "weight"),
    [
        (Reason.UPSTREAM_UNREACHABLE, Weight.FAILED),
        (Reason.UPSTREAM_BROKEN, Weight.FAILED),
        (Reason.UPSTREAM_TIMEOUT, Weight.FAILED),
        (Reason.UPSTREAM_TOO_LARGE, Weight.ALIVE),
        (Reason.CANCELLED, Weight.NOTHING),
        (Reason.CLIENT_UNASKABLE, Weight.NOTHING),
        (Reason.STATE_REFUSED, Weight.NOTHING),
    ],
)
def test_what_counts_as_a_failure_of_the_server(reason: Reason, weight: Weight) -> None:
    assert weigh(Refusal("upstream", (reason,), "")) is weight
