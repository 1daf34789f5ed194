"""What keeping remembers survives the process."""

from pathlib import Path

import pytest

from tallystick.audit.keeping.classes import RetentionClass
from tallystick.audit.keeping.judge import Hold
from tallystick.audit.keeping.ledger import Ledger
from tallystick.terms import TallyError

HOLD = Hold("case-12", "Smith v. Bank", "2026-11-01T00:00:00.000000Z", subject="a" * 64)


def test_holds_classes_and_erasures_under_way_are_there_after_a_restart(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "keeping" / "bank.sqlite")
    assert first.place(HOLD)
    assert first.configure([RetentionClass("house", 2, "rule 7")])
    first.begin("01J", {"subject": "a" * 64}, None)
    first.close()
    again = Ledger(tmp_path / "keeping" / "bank.sqlite")
    assert again.holds() == again.unrecorded() == [HOLD]
    assert again.classes()["house"].years == 2
    assert again.pending() == [("01J", {"subject": "a" * 64}, None)]
    again.recorded("case-12")
    again.end("01J")
    assert (again.unrecorded(), again.pending()) == ([], [])
    again.release("case-12")
    assert again.holds() == []
    again.close()


def test_a_second_hold_of_a_name_is_not_placed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "bank.sqlite")
    assert ledger.place(HOLD)
    assert not ledger.place(HOLD)
    ledger.close()


def test_the_same_classes_again_are_no_change(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "bank.sqlite")
    classes = [RetentionClass("house", 2, "rule 7")]
    assert [ledger.configure(classes), ledger.configure(classes), ledger.configure([])] == [True, False, True]
    ledger.close()


def test_a_damaged_ledger_stops_forgetting(tmp_path: Path) -> None:
    (tmp_path / "bank.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(TallyError, match="nothing was erased"):
        Ledger(tmp_path / "bank.sqlite")
