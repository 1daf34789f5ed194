"""What a hurried operator, a hostile one and an unlucky machine try: nothing that is protected is forgotten."""

import threading
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from tallystick import audit
from tallystick.audit.index import Query
from tallystick.audit.keeping.classes import BUILT_IN, seconds
from tallystick.audit.keeping.holds import logs_of, open_index
from tallystick.audit.keeping.orders import ORDERS, resume
from tallystick.audit.log.files import State
from tallystick.audit.model import Capture, Content
from tallystick.audit.payload import Gone, read_records
from tallystick.audit.writer.sequence import Refused
from tallystick.terms import TallyError
from tests.audit.keeping.desk import ANA, BEN, StandingDesk, TellingKeyring, opened_desk
from tests.audit.sample import BANK, call_of, intent

THEN = seconds("2026-03-05")
WHO = {"tenant": BANK, "operator": "root"}
ERASE = {"subject": ANA, "basis": "GDPR Art. 17(1)"}
CARD = b"4111 1111 1111 1111"
Dies = Literal["before the leaf", "after the leaf"]


def _order(desk: StandingDesk, name: str, **fields: object) -> dict[str, object]:
    return {**ORDERS[name](desk, {**WHO, **fields})}


def _leaves(directory: Path, kind: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for checkpoint in sorted((directory / "audit" / BANK).glob("*/checkpoint")):
        every = range(audit.offline.size_of(checkpoint.parent))
        found += [audit.offline.read_fields(leaf) for _, leaf in audit.offline.read_leaves(checkpoint.parent, every)]
    return [fields for fields in found if fields["kind"] == kind]


def _holds(desk: StandingDesk) -> list[dict[str, object]]:
    holds = msgspec.convert(_order(desk, "keeping")["holds"], list[dict[str, object]])
    return [{**hold, "placed": ""} for hold in holds]


def _told(desk: StandingDesk, number: int) -> bytes | Gone:
    return desk.vault(BANK).reveal(call_of(number), "args")


def test_a_payload_that_is_not_stored_yet_is_judged_like_any_other(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.seal(1, retention="sec-17a-4")
        keyring = desk.vault(BANK).keyring
        assert isinstance(keyring, TellingKeyring)

        def publish() -> None:
            keyring.retired.wait()
            desk.logs.publish()

        publisher = threading.Thread(target=publish)
        publisher.start()
        with pytest.raises(TallyError, match="SEC 17a-4"):
            _order(desk, "erase", **ERASE)
        publisher.join()
        assert _told(desk, 1) == CARD


def test_what_is_sealed_while_an_erasure_runs_stays(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.meanwhile = lambda: desk.keep(2)
        told = _order(desk, "erase", **ERASE)
        assert (told["payloads"], told["keys"]) == (1, 1)
        assert _told(desk, 1) == Gone("erased", int(str(told["leaf"])))
        assert _told(desk, 2) == CARD


def test_what_came_after_a_crash_is_not_part_of_the_erasure_that_is_finished(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.dies = "after the leaf"
        with pytest.raises(SystemExit):
            _order(desk, "erase", **ERASE)
    with opened_desk(tmp_path, THEN + 60) as desk:
        desk.keep(2, retention="sox")
        desk.keep(3)
        resume(desk)
        assert isinstance(_told(desk, 1), Gone)
        assert [_told(desk, number) for number in (2, 3)] == [CARD, CARD]


def test_an_erasure_of_nobody_destroys_nothing_later(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1, BEN)
        desk.meanwhile = lambda: desk.keep(2, retention="sox")
        assert _order(desk, "erase", **ERASE)["keys"] == 0
        assert _told(desk, 2) == CARD


def test_a_blocked_erasure_leaves_everything_readable_and_erasable(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.meanwhile = None
        _order(desk, "hold", hold="case-12", matter="Smith v. Bank")
        for number in (2, 3):
            with pytest.raises(TallyError, match="case-12"):
                _order(desk, "erase", **ERASE)
            desk.keep(number)
        _order(desk, "release", hold="case-12")
        assert _order(desk, "erase", **ERASE)["payloads"] == 3
        assert all(isinstance(_told(desk, number), Gone) for number in (1, 2, 3))


@pytest.mark.parametrize("dies", ["before the leaf", "after the leaf"])
def test_nothing_expires_without_a_leaf_whenever_the_process_ends(tmp_path: Path, dies: Dies) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.clock.now = seconds("2031-04-06")
        desk.dies = dies
        with pytest.raises(SystemExit):
            _order(desk, "expire")
        desk.dies = ""
    assert len(_leaves(tmp_path, "erasure")) == (dies == "after the leaf")
    assert any(one.header is not None for one in read_records(tmp_path / "payload" / BANK))
    with opened_desk(tmp_path, seconds("2031-04-06")) as desk:
        resume(desk)
        assert isinstance(_told(desk, 1), Gone)
    [leaf] = _leaves(tmp_path, "erasure")
    assert (leaf["payloads"], leaf["keys"]) == (1, 1)


def test_a_statute_that_is_configured_away_still_protects_what_was_kept_under_it(tmp_path: Path) -> None:
    weak = {**BUILT_IN["sox"].to_json(), "years": 0.003, "statutory": False}
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1, retention="sox")
        assert _order(desk, "retention-classes", classes=[weak]) == {"changed": True}
        desk.clock.now = seconds("2026-08-01")
        desk.keep(2, BEN, retention="sox")
        with pytest.raises(TallyError, match="as it was promised"):
            _order(desk, "erase", **ERASE)
        assert _order(desk, "erase", subject=BEN, basis="GDPR Art. 17(1)")["payloads"] == 1
        assert _order(desk, "expire")["expired"] == []
        assert _order(desk, "retention-classes", classes=[]) == {"changed": True}
        assert _told(desk, 1) == CARD
        desk.clock.now = seconds("2033-05-01")
        assert _order(desk, "erase", **ERASE)["payloads"] == 1
    assert [str(leaf["object"]).partition(" (")[0] for leaf in _leaves(tmp_path, "admin")] == [
        "sox: 7 years, statutory",
        "sox: 0.003 years",
    ]


def test_retention_classes_are_not_in_force_before_they_are_on_record(tmp_path: Path) -> None:
    mine = {"name": "house", "years": 1, "law": "rule 7"}
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        with pytest.raises(TallyError, match="operator"):
            ORDERS["retention-classes"](desk, {"tenant": BANK, "classes": [mine]})
        desk.dies = "before the leaf"
        with pytest.raises(SystemExit):
            _order(desk, "retention-classes", classes=[mine])
        assert "rule 7" not in str(_order(desk, "keeping"))


def test_holds_outlive_the_file_that_they_are_remembered_in(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        for name in ("case-11", "case-12", "case-13"):
            _order(desk, "hold", hold=name, matter="Smith v. Bank", subject=ANA, since="2020-01-01")
        _order(desk, "release", hold="case-11")
        before = _holds(desk)
        for path in (tmp_path / "keeping").iterdir():
            path.unlink()
        assert _holds(desk) == before
        with pytest.raises(TallyError, match="case-13"):
            _order(desk, "erase", **ERASE)
        _order(desk, "release", hold="case-13")
        assert "case-13" not in str(_order(desk, "keeping"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"retention": "standrad"},
        {"since": "2026-01-01", "until": "2026-01-01"},
        {"since": "0001-01-01T00:00:00+23:59"},
        {"hold": "x" * 513},
        {"matter": "x" * 513},
    ],
)
def test_a_hold_that_would_hold_nothing_or_cannot_be_told_whole_is_refused(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        with pytest.raises((TallyError, ValueError)):
            _order(desk, "hold", **{"hold": "case-12", "matter": "Smith v. Bank", **wrong})
        assert _order(desk, "keeping")["holds"] == []


@pytest.mark.parametrize("year", [0, 2019, 2026, 9999, 2**40])
def test_a_year_without_a_past_log_is_not_pruned(tmp_path: Path, year: int) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        with pytest.raises(TallyError, match="not pruned"):
            _order(desk, "prune", year=year)


def test_payloads_are_not_moved_onto_themselves(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.symlink_to(tmp_path / "state" / "payload")
    with opened_desk(tmp_path / "state", THEN) as desk:
        desk.keep(1)
        desk.clock.now = seconds("2026-08-01")
        for directory in (beside, tmp_path / "state" / "payload", tmp_path / "state"):
            with pytest.raises(TallyError, match="is in the state directory"):
                _order(desk, "tier", directory=str(directory), days=1)
        assert _told(desk, 1) == CARD


def test_a_clock_that_was_set_back_by_years_makes_nothing_expire(tmp_path: Path) -> None:
    with opened_desk(tmp_path, seconds("2031-05-05")) as desk:
        desk.keep(1)
        desk.clock.now = THEN
        desk.keep(2)
        desk.clock.now = seconds("2031-06-05")
        assert _order(desk, "expire")["expired"] == []
        assert _told(desk, 2) == CARD


def test_payloads_that_were_refused_do_not_hold_up_an_erasure(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        good, bad = (Capture(ANA, "standard", (Content(field, CARD),)) for field in ("args", "No Field"))
        with pytest.raises(Refused):
            desk.logs.append(BANK, [intent(2), intent(3)], captures={0: good, 1: bad})
        assert _order(desk, "erase", **ERASE)["payloads"] == 1


def test_nothing_of_a_person_is_on_a_disk_in_clear_before_the_record_says_so(tmp_path: Path) -> None:
    target = tmp_path / "told" / "ana.jsonl"
    target.parent.mkdir()
    access = {"subject": ANA, "why": "request 7", "file": str(target)}
    with opened_desk(tmp_path / "state", THEN) as desk:
        desk.keep(1)
        desk.dies = "before the leaf"
        with pytest.raises(SystemExit):
            _order(desk, "subject-access", **access)
        assert [*target.parent.iterdir()] == []
        desk.dies = ""
        target.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(TallyError, match="does not exist yet"):
            _order(desk, "subject-access", **access)
        target.unlink()
        desk.meanwhile = lambda: target.write_text("mine")
        with pytest.raises(TallyError, match="cannot be written"):
            _order(desk, "subject-access", **access)
        assert target.read_text() == "mine"


def test_one_damaged_payload_does_not_keep_a_person_from_the_others(tmp_path: Path) -> None:
    target = tmp_path / "ana.jsonl"
    with opened_desk(tmp_path / "state", THEN) as desk:
        for number in (1, 2):
            desk.keep(number)
        [segment] = (tmp_path / "state" / "payload" / BANK / "standard").glob("*.pay")
        content = bytearray(segment.read_bytes())
        content[-1] ^= 1
        segment.write_bytes(content)
        told = _order(desk, "subject-access", subject=ANA, why="request 7", file=str(target))
    assert (told["records"], told["unreadable"]) == (2, 1)
    assert [line.count('"gone":"damaged"') for line in target.read_text().splitlines()] == [0, 1]


def test_the_index_tells_nothing_of_a_year_that_was_pruned(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.clock.now = seconds("2034-02-01")
        desk.keep(2)
        index = open_index(desk, logs_of(desk, BANK))
        assert index.count(Query(kind="intent")) == 2
        index.close()
        _order(desk, "expire")
        _order(desk, "prune", year=2026)
        assert not (tmp_path / "index" / "records.sqlite").exists()
        index = open_index(desk, logs_of(desk, BANK))
        assert [record["call"] for record in index.search(Query(kind="intent"))] == [call_of(2)]
        index.close()
    State(tmp_path, initialize=False).close()


def test_payloads_that_are_out_of_sight_are_protected_as_if_they_were_new(tmp_path: Path) -> None:
    root = tmp_path / "payload" / BANK
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1, retention="sox")
    (root / "index.sqlite").unlink()
    (root / "sox").rename(tmp_path / "unmounted")
    with opened_desk(tmp_path, seconds("2040-01-01")) as desk, pytest.raises(TallyError, match="SOX"):
        _order(desk, "erase", **ERASE)


def test_a_hold_is_in_force_until_its_release_is_on_record_and_each_step_is_told_once(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        _order(desk, "hold", hold="case-12", matter="Smith v. Bank")
        desk.clock.now = THEN - 86_400
        desk.dies = "before the leaf"
        with pytest.raises(SystemExit):
            _order(desk, "release", hold="case-12")
        desk.dies = ""
        assert len(_holds(desk)) == 1
        _order(desk, "release", hold="case-12")
        for path in (tmp_path / "keeping").iterdir():
            path.unlink()
        assert _holds(desk) == []
    assert [leaf["action"] for leaf in _leaves(tmp_path, "hold")] == ["placed", "released"]


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    with opened_desk(tmp_path, THEN) as desk:
        desk.keep(1)
        desk.dies = "before the leaf"
        with pytest.raises(SystemExit):
            _order(desk, "hold", hold="case-12", matter="Smith v. Bank", subject=BEN)
        desk.dies = ""
        _order(desk, "erase", **ERASE)
        resume(desk)
        ledger = desk.ledger()
        assert (ledger.pending(), ledger.unrecorded(), ledger.is_new) == ([], [], False)
        ledger.close()
        assert (tmp_path / "keeping" / f"{BANK}.sqlite").stat().st_mode & 0o777 == 0o600
    assert [len(_leaves(tmp_path, kind)) for kind in ("hold", "erasure")] == [1, 1]


@pytest.mark.parametrize(("since", "blocks"), [("2026-06-01", True), ("2027-01-01", False)])
def test_a_hold_keeps_the_leaves_of_the_years_that_it_reaches_into(tmp_path: Path, since: str, blocks: bool) -> None:  # noqa: FBT001 - a row of the table
    with opened_desk(tmp_path, THEN) as desk:
        desk.seal(1)
        desk.logs.publish()
        desk.clock.now = seconds("2034-02-01")
        desk.keep(2)
        _order(desk, "expire")
        _order(desk, "hold", hold="case-12", matter="Smith v. Bank", since=since)
        if blocks:
            with pytest.raises(TallyError, match="case-12"):
                _order(desk, "prune", year=2026)
        else:
            assert _order(desk, "prune", year=2026)["leaf"]
