"""Calls in flight are bounded per server and per caller, and every place is given back."""

import pytest

from tallystick.guard import Admission, Bulkhead
from tallystick.terms import Reason, Refusal, ServerId

BANK, RISK = ServerId("bank"), ServerId("risk")


def _admitted(answer: Admission | Refusal) -> Admission:
    assert isinstance(answer, Admission)
    return answer


def test_a_server_at_its_limit_refuses_every_caller() -> None:
    bulkhead = Bulkhead(per_caller=10)
    for caller in ("a", "b"):
        _admitted(bulkhead.admit(BANK, 2, caller))
    refusal = bulkhead.admit(BANK, 2, "c")
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reasons) == ("limited", (Reason.CALLS_IN_FLIGHT,))
    assert "this server" in refusal.public_text
    assert isinstance(bulkhead.admit(RISK, 2, "c"), Admission)


def test_a_caller_at_its_limit_is_refused_at_every_server_and_others_are_not() -> None:
    bulkhead = Bulkhead(per_caller=1)
    _admitted(bulkhead.admit(BANK, 9, "a"))
    refusal = bulkhead.admit(RISK, 9, "a")
    assert isinstance(refusal, Refusal)
    assert "this caller" in refusal.public_text
    assert isinstance(bulkhead.admit(RISK, 9, "b"), Admission)


def test_a_refused_call_takes_no_place() -> None:
    bulkhead = Bulkhead(per_caller=1)
    first = _admitted(bulkhead.admit(BANK, 1, "a"))
    assert isinstance(bulkhead.admit(RISK, 1, "a"), Refusal)
    assert isinstance(bulkhead.admit(BANK, 1, "b"), Refusal)
    first.release()
    assert bulkhead.in_flight() == 0
    _admitted(bulkhead.admit(RISK, 1, "b"))


def test_leaving_the_block_gives_the_place_back_whatever_happened() -> None:
    bulkhead = Bulkhead(per_caller=1)
    with pytest.raises(ZeroDivisionError), _admitted(bulkhead.admit(BANK, 1, "a")):
        _ = 1 // bulkhead.in_flight() // 0
    assert bulkhead.in_flight() == 0


def test_releasing_twice_does_no_harm() -> None:
    bulkhead = Bulkhead(per_caller=5)
    first, _second = (_admitted(bulkhead.admit(BANK, 5, "a")) for _ in range(2))
    first.release()
    first.release()
    assert bulkhead.in_flight() == 1


def test_what_is_under_way_is_known_of_each_server() -> None:
    bulkhead = Bulkhead(per_caller=5)
    with _admitted(bulkhead.admit(BANK, 5, "a")), _admitted(bulkhead.admit(BANK, 5, "b")):
        assert (bulkhead.at(BANK), bulkhead.at(RISK)) == (2, 0)
    assert bulkhead.at(BANK) == 0
