"""What keeping remembers survives the process."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.audit.keeping.classes import BUILT_IN, RetentionClass
from tallystick.audit.keeping.judge import Hold
from tallystick.audit.keeping.ledger import Ledger
from tallystick.terms import TallyError

HOLD = Hold("case-12", "Smith v. Bank", "2026-11-01T00:00:00.000000Z", subject="a" * 64)


def test_holds_classes_and_erasures_under_way_are_there_after_a_restart(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "keeping" / "bank.sqlite")
    assert first.place(HOLD)
    first.configure([RetentionClass("house", 2, "rule 7")], "2026-11-02T00:00:00.000000Z")
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


def test_what_a_weakened_statute_promised_is_remembered(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "bank.sqlite")
    ledger.configure([replace(BUILT_IN["sox"], years=9)], "2026-01-01T00:00:00.000000Z")
    assert ledger.promises() == []
    weak = replace(BUILT_IN["sox"], years=0.01)
    ledger.configure([weak], "2026-02-01T00:00:00.000000Z")
    ledger.configure([replace(BUILT_IN["pci"], statutory=False)], "2026-03-01T00:00:00.000000Z")
    assert [(one.found.name, one.found.years, one.until[:7]) for one in ledger.promises()] == [
        ("sox", 9, "2026-02"),
        ("pci", 1, "2026-03"),
    ]
    ledger.close()


def test_a_damaged_ledger_stops_forgetting(tmp_path: Path) -> None:
    (tmp_path / "bank.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(TallyError, match="nothing was erased"):
        Ledger(tmp_path / "bank.sqlite")
