"""What time and crashes do to keeping and forgetting."""

from pathlib import Path
from typing import Literal

import pytest

from tallystick import audit
from tallystick.audit.keeping.classes import seconds
from tallystick.audit.keeping.orders import ORDERS
from tallystick.audit.payload import Gone
from tallystick.terms import TallyError
from tests.audit.keeping.desk import ANA, BEN, StandingDesk, opened_desk
from tests.audit.sample import BANK, call_of

THEN = seconds("2026-03-05")
WHO = {"tenant": BANK, "operator": "root"}
ERASE = {**WHO, "subject": ANA, "basis": "GDPR Art. 17(1)"}
CARD = b"4111 1111 1111 1111"


def _order(desk: StandingDesk, name: str, **fields: object) -> dict[str, object]:
    return {**ORDERS[name](desk, {**WHO, **fields})}


def _expired(desk: StandingDesk) -> list[object]:
    told = _order(desk, "expire")["expired"]
    assert isinstance(told, list)
    return [*told]


def _log(directory: Path, year: int) -> Path:
    return directory / "audit" / BANK / str(year)


def _fields(log: Path) -> list[dict[str, object]]:
    every = range(audit.offline.size_of(log))
    return [audit.offline.read_fields(leaf) for _, leaf in audit.offline.read_leaves(log, every)]


def test_what_was_kept_for_its_years_expires_and_what_is_younger_stays(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.keep(2, retention="sox")
        desk.clock.now = seconds("2031-04-06")
        desk.keep(3, BEN)
        assert len(_expired(desk)) == 1
        vault = desk.vault(BANK)
        assert isinstance(vault.reveal(call_of(1), "args"), Gone)
        assert [vault.reveal(call_of(number), "args") for number in (2, 3)] == [CARD, CARD]
        assert _expired(desk) == []
    [leaf] = [one for one in _fields(_log(tmp_path, 2031)) if one["kind"] == "erasure"]
    assert (leaf["action"], leaf["classes"], leaf["payloads"]) == ("expire", ["standard"], 1)


def test_a_hold_keeps_what_is_due_until_it_is_released(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        _order(desk, "hold", hold="case-12", matter="Smith v. Bank", subject=ANA)
        desk.clock.now = seconds("2032-01-01")
        told = _order(desk, "expire")
        assert told["expired"] == []
        assert "case-12" in str(told["blocked"])
        _order(desk, "release", hold="case-12")
        assert len(_expired(desk)) == 1


@pytest.mark.parametrize("dies", ["before the leaf", "after the leaf"])
def test_an_erasure_is_whole_whenever_the_process_ends(
    tmp_path: Path, dies: Literal["before the leaf", "after the leaf"]
) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.keep(2, BEN)
        desk.dies = dies
        with pytest.raises(SystemExit):
            ORDERS["erase"](desk, ERASE)
    with opened_desk(tmp_path, THEN + 60) as desk:
        _order(desk, "keeping")
        gone = desk.vault(BANK).reveal(call_of(1), "args")
        assert isinstance(gone, Gone)
        assert gone.why == "erased"
        assert desk.vault(BANK).reveal(call_of(2), "args") == CARD
    kinds = [fields["kind"] for fields in _fields(_log(tmp_path, 2026))]
    assert kinds.count("erasure") == 1
    assert gone.leaf == kinds.index("erasure")


def test_a_hold_whose_leaf_a_crash_cut_off_is_in_force_and_gets_it(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.dies = "before the leaf"
        with pytest.raises(SystemExit):
            _order(desk, "hold", hold="case-12", matter="Smith v. Bank")
    with opened_desk(tmp_path, THEN + 60) as desk, pytest.raises(TallyError, match="case-12"):
        ORDERS["erase"](desk, ERASE)
    assert [fields["hold"] for fields in _fields(_log(tmp_path, 2026)) if fields["kind"] == "hold"] == ["case-12"]


def test_a_past_year_is_pruned_after_the_longest_retention_and_still_verifies(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        last = [desk.keep(number) for number in range(300)][-1]
        desk.clock.now = seconds("2033-06-01")
        desk.keep(1000)
        with pytest.raises(TallyError, match="7 years after its end"):
            _order(desk, "prune", year=2026)
        desk.clock.now = seconds("2034-02-01")
        _order(desk, "hold", hold="case-12", matter="Smith v. Bank", until="2030-01-01")
        with pytest.raises(TallyError, match="case-12"):
            _order(desk, "prune", year=2026)
        _order(desk, "release", hold="case-12")
        with pytest.raises(TallyError, match=r"payloads of 2026-03 \(standard\) are still kept"):
            _order(desk, "prune", year=2026)
        assert len(_expired(desk)) == 1
        told = _order(desk, "prune", year=2026)
        assert told["leaves"] == last + 1
    old = _log(tmp_path, 2026)
    assert not any(path.is_file() for path in (old / "tile" / "entries").rglob("*"))
    report = audit.offline.verify_log(old, audit.offline.read_vkey(old))
    assert report.ok, report.damage
    new = _log(tmp_path, 2034)
    assert audit.offline.verify_log(new, audit.offline.read_vkey(new)).ok
    [_, leaf] = [one for one in _fields(new) if one["kind"] == "erasure"]
    assert leaf["ranges"] == [{"first": 0, "last": last, "year": 2026}]
