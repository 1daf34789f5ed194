"""A log loses nothing it acknowledged, never forks, and stops at the first failed write."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from tallystick import audit
from tallystick.audit.log import log as log_module
from tallystick.audit.log.files import DirectoryStore, State
from tallystick.audit.log.log import Log, Row, open_log
from tallystick.audit.tlog.note import Checkpoint, read_note, signed_by
from tallystick.audit.writer.logs import Logs
from tallystick.terms import TenantId
from tests.audit.sample import (
    BANK,
    NOON,
    ORIGIN,
    Ticking,
    denial,
    intent,
    leaves_of,
    log_directory,
    newest_segment,
    opened_log,
    opened_state,
    outcome,
    stored,
    verified,
)

START = 250


def _filled(directory: Path, count: int = START) -> None:
    with opened_state(directory) as state:
        log = opened_log(state)
        if count:
            log.append([denial(number) for number in range(count)])
        log.publish(Ticking())


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257])
def test_a_log_of_any_size_verifies_and_goes_on(tmp_path: Path, size: int) -> None:
    _filled(tmp_path, size)
    assert (verified(tmp_path).damage, verified(tmp_path).size) == ((), size)
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        assert log.append([denial(size)]) == size
        log.publish(Ticking())
    assert leaves_of(tmp_path) == [denial(number) for number in range(size + 1)]
    assert verified(tmp_path).ok


class _Watched(DirectoryStore):
    """A store that looks at its log whenever something is written."""

    log: Log | None = None
    seen: tuple[int, ...] = ()

    def put(self, path: str, content: bytes) -> None:
        """Store a file."""
        self._look()
        super().put(path, content)

    def swap(self, old: str, new: Row) -> bool:
        """Compare and swap."""
        self._look()
        return super().swap(old, new)

    def show(self, body: str, name: str = "checkpoint") -> None:
        """Show a checkpoint."""
        self._look()
        super().show(body, name)

    def _look(self) -> None:
        if self.log is not None:
            self.seen = (*self.seen, self.log.published)


def test_a_leaf_is_published_only_when_its_checkpoint_can_be_read(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    with opened_state(tmp_path) as state:
        database = sqlite3.connect(tmp_path / "audit.sqlite", isolation_level=None)
        store = _Watched(log_directory(tmp_path), database, f"{BANK}/2026")
        log = open_log(store, state.signing, ORIGIN, BANK, Ticking())
        log.append([denial(3)])
        store.log = log
        log.publish(Ticking())
        store.log = None
        database.close()
        assert {*store.seen} == {3}
        assert log.published == 4


def test_a_segment_with_a_leaf_that_is_not_published_is_kept(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        store = stored(state)
        for first in (0, 4, 9):
            store.rotate(first, 1 << 16)
        for size, left in ((3, [0, 4, 9]), (4, [4, 9]), (8, [4, 9]), (9, [9]), (20, [9])):
            store.forget(size)
            assert [segment.first for segment in store.segments()] == left
        store.close()


def test_a_journal_that_the_disk_takes_half_of_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([denial(0)])
        monkeypatch.setattr("os.pwrite", lambda file, content, at: whole(file, content[: len(content) // 2], at))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - as the function it stands for
        with pytest.raises(audit.Unwritable, match="short write"):
            log.append([denial(1)])
        monkeypatch.undo()
        with pytest.raises(audit.Unwritable, match="short write"):
            log.append([denial(1)])
    with opened_state(tmp_path) as state:
        opened_log(state)
    assert leaves_of(tmp_path) == [denial(0)]


def test_a_shown_checkpoint_of_another_history_stops_the_log(tmp_path: Path) -> None:
    _filled(tmp_path)
    with opened_state(tmp_path) as state:
        other = state.signing.sign(Checkpoint(ORIGIN, START - 1, bytes(32)), NOON)
        (log_directory(tmp_path) / "checkpoint").write_text(other)
        with pytest.raises(audit.Unwritable, match="not part of this log"):
            opened_log(state)


def test_a_tile_that_was_changed_behind_the_shown_checkpoint_stops_the_log(tmp_path: Path) -> None:
    _filled(tmp_path)
    shown, tile = log_directory(tmp_path) / "checkpoint", log_directory(tmp_path) / "tile/0/001.p/44"
    before = shown.read_bytes()
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([denial(number) for number in range(START, 300)])
        log.publish(Ticking())
    # As a crash leaves it that comes between the database and the file.
    shown.write_bytes(before)
    tile.chmod(0o600)
    tile.write_bytes(tile.read_bytes()[:-1] + b"x")
    with opened_state(tmp_path) as state, pytest.raises(audit.Unwritable, match="not those of the checkpoint in the"):
        opened_log(state)


def test_keys_that_changed_just_before_a_crash_are_shown_and_sign_at_the_next_start(tmp_path: Path) -> None:
    _filled(tmp_path)
    with opened_state(tmp_path) as state:
        state.signing.begin_rotation()
        state.signing.settle()
    with opened_state(tmp_path) as state:
        opened_log(state)
        shown = (log_directory(tmp_path) / "checkpoint").read_text()
        assert len(signed_by(read_note(shown), state.signing.verifiers(ORIGIN))) == 4
        assert (log_directory(tmp_path) / "vkey").read_text() == state.signing.vkeys(ORIGIN)


def test_intents_without_outcome_become_in_doubt_exactly_once(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([intent(number) for number in range(5)])
        log.publish(Ticking())
        log.append([outcome(1, 1), outcome(3, 3), intent(5)])
    for _ in range(3):
        with opened_state(tmp_path) as state:
            opened_log(state)
    report = verified(tmp_path)
    assert report.damage == ()
    assert report.kinds == {"intent": 6, "outcome": 2, "in_doubt": 4}
    assert report.opened == ()
    closed = [audit.offline.read_fields(leaf) for leaf in leaves_of(tmp_path)[8:]]
    assert [fields["intent"] for fields in closed] == [0, 2, 4, 7]


@pytest.mark.parametrize("missing", [1, 20, len(denial(0)) + 10])
def test_a_torn_tail_that_was_never_acknowledged_is_cut_off(tmp_path: Path, missing: int) -> None:
    _filled(tmp_path)
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([denial(START)])
        log.append([denial(START + 1)])
    segment = newest_segment(tmp_path)
    segment.write_bytes(segment.read_bytes().rstrip(b"\0")[:-missing])
    with opened_state(tmp_path) as state:
        assert opened_log(state).size == START + 1
    assert leaves_of(tmp_path)[-1] == denial(START)
    assert verified(tmp_path).ok


def test_damage_inside_the_journal_is_no_torn_tail(tmp_path: Path) -> None:
    _filled(tmp_path)
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([denial(START)])
        log.append([denial(START + 1)])
    segment = newest_segment(tmp_path)
    content = bytearray(segment.read_bytes())
    content[40] ^= 1
    segment.write_bytes(content)
    with opened_state(tmp_path) as state, pytest.raises(audit.Unwritable, match="journal is damaged after leaf 249"):
        opened_log(state)


def test_the_journal_and_incomplete_tiles_are_cleared_once_tiles_replace_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_BYTES", 8000)
    monkeypatch.setattr(log_module, "FIRST_SEGMENT_BYTES", 4000)
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        for number in range(300):
            log.append([denial(number)])
            if number % 50 == 0:
                log.publish(Ticking())
        assert len(stored(state).segments()) > 5
        log.publish(Ticking())
        assert len(stored(state).segments()) == 1
        log.append([denial(300)])
    assert not (log_directory(tmp_path) / "tile" / "0" / "000.p").exists()
    with opened_state(tmp_path) as state:
        assert opened_log(state).size == 301
    assert leaves_of(tmp_path) == [denial(number) for number in range(301)]


def test_a_second_process_on_the_same_state_does_not_proceed(tmp_path: Path) -> None:
    with opened_state(tmp_path), pytest.raises(audit.Unwritable, match="another process"):
        State(tmp_path, initialize=True)


def test_of_two_writers_that_pass_the_lock_only_one_moves_the_checkpoint(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    with opened_state(tmp_path) as state:
        one, other = opened_log(state), opened_log(state)
        one.append([denial(3)])
        one.publish(Ticking())
        other.append([denial(3)])
        with pytest.raises(audit.Unwritable, match="another writer, or a restored backup"):
            other.publish(Ticking())
        with pytest.raises(audit.Unwritable):
            other.append([denial(4)])
    assert verified(tmp_path).size == 4


@pytest.mark.parametrize(
    ("restored", "said"), [("audit.sqlite", "older than the published"), ("audit", "cannot be opened")]
)
def test_an_old_backup_of_the_database_or_of_the_files_is_refused(tmp_path: Path, restored: str, said: str) -> None:
    _filled(tmp_path / "now", 3)
    shutil.copytree(tmp_path / "now", tmp_path / "backup")
    with opened_state(tmp_path / "now") as state:
        log = opened_log(state)
        log.append([denial(number) for number in range(3, 300)])
        log.publish(Ticking())
    target, source = tmp_path / "now" / restored, tmp_path / "backup" / restored
    if source.is_dir():
        shutil.rmtree(target)
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
    with opened_state(tmp_path / "now") as state, pytest.raises(audit.Unwritable, match=said):
        opened_log(state)


@pytest.mark.parametrize("gone", ["checkpoint", "tile", "journal", ""])
def test_a_log_whose_files_are_gone_is_not_made_anew(tmp_path: Path, gone: str) -> None:
    _filled(tmp_path, 3)
    target = log_directory(tmp_path) / gone
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    with opened_state(tmp_path) as state, pytest.raises(audit.Unwritable):
        opened_log(state)


def test_a_log_that_the_database_forgot_is_not_made_anew(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    for file in tmp_path.glob("audit.sqlite*"):
        file.unlink()
    state = State(tmp_path, initialize=True)
    with pytest.raises(audit.Unwritable, match="restore the database"):
        state.create(BANK, 2026, ORIGIN, 0)
    state.close()


@pytest.mark.parametrize("column", ["body", "opened"])
def test_a_damaged_database_row_is_refused(tmp_path: Path, column: str) -> None:
    _filled(tmp_path, 3)
    database = sqlite3.connect(tmp_path / "audit.sqlite")
    database.execute(f"UPDATE log SET {column} = substr({column}, 2)")  # noqa: S608 - a name from this file
    database.commit()
    database.close()
    with opened_state(tmp_path) as state, pytest.raises(audit.Unwritable):
        opened_log(state)


def test_nothing_is_created_without_being_asked_to(tmp_path: Path) -> None:
    with pytest.raises(audit.Unwritable, match="initialise"):
        State(tmp_path, initialize=False)


def test_lost_keys_are_not_replaced_while_a_log_exists(tmp_path: Path) -> None:
    _filled(tmp_path, 1)
    (tmp_path / "keys" / "audit-ed25519").unlink()
    with pytest.raises(audit.Unwritable, match="audit-ed25519"):
        State(tmp_path, initialize=True)


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    _filled(tmp_path, 0)
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()}
    assert modes.keys() == {"audit-ed25519", "audit-mldsa44", "audit-commitment", "signing.json"}
    assert {*modes.values()} == {0o600}


def test_a_creation_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    _filled(tmp_path, 0)
    database = sqlite3.connect(tmp_path / "audit.sqlite")
    database.execute("UPDATE log SET ready = 0")
    database.commit()
    database.close()
    shutil.rmtree(log_directory(tmp_path))
    _filled(tmp_path, 2)
    assert verified(tmp_path).size == 2


def test_time_never_runs_backwards_between_checkpoints(tmp_path: Path) -> None:
    clock = Ticking()
    with opened_state(tmp_path) as state:
        log = opened_log(state, clock)
        log.append([denial(0)])
        log.publish(clock)
        before = stored(state).row()
        clock.now -= 3600
        log.append([denial(1)])
        log.publish(clock)
        after = stored(state).row()
    assert before is not None
    assert after is not None
    assert after.time_us == before.time_us + 1
    assert log.clock_went_back


def _late_december() -> float:
    return 1_798_761_599.0  # 2026-12-31T23:59:59Z


def test_a_new_year_opens_a_new_log_that_continues_the_old_one(tmp_path: Path) -> None:
    clock = Ticking(_late_december())
    state = State(tmp_path, initialize=True)
    logs = Logs(state, "localhost", clock, initialize=True)
    assert list(logs.append(BANK, [intent(0), intent(1)])) == [(0, 2, 2026)]
    clock.now += 10
    assert list(logs.append(BANK, [denial(2), outcome(1, 1), intent(3)])) == [(1, 1, 2027), (2, 1, 2026), (2, 1, 2027)]
    logs.publish()
    state.close()
    old, new = tmp_path / "audit" / "bank" / "2026", tmp_path / "audit" / "bank" / "2027"
    reports = [audit.offline.verify_log(where, audit.offline.read_vkey(where)) for where in (old, new)]
    assert [(report.origin, report.size, report.damage) for report in reports] == [
        ("localhost/bank/2026", 3, ()),
        ("localhost/bank/2027", 3, ()),
    ]
    assert reports[0].opened == (0,)
    first = audit.offline.read_fields(next(audit.offline.read_leaves(new, range(1)))[1])
    assert first["kind"] == "open"
    assert audit.offline.is_fields(first["previous"])
    assert first["previous"]["origin"] == "localhost/bank/2026"
    # After a restart the call that nobody ended is closed where it was opened.
    state = State(tmp_path, initialize=False)
    Logs(state, "localhost", clock, initialize=False)
    state.close()
    assert audit.offline.verify_log(old, audit.offline.read_vkey(old)).kinds == {
        "intent": 2,
        "outcome": 1,
        "in_doubt": 1,
    }


def test_a_tenant_without_a_log_is_refused_unless_asked_to_create(tmp_path: Path) -> None:
    _filled(tmp_path, 1)
    state = State(tmp_path, initialize=False)
    logs = Logs(state, "localhost", Ticking(NOON), initialize=False)
    with pytest.raises(audit.Unwritable, match="'other' has no log"):
        list(logs.append(TenantId("other"), [denial(0)]))
    assert list(logs.append(BANK, [denial(1)])) == [(1, 1, 2026)]
    state.close()


def test_a_tenant_never_names_a_directory_elsewhere(tmp_path: Path) -> None:
    _filled(tmp_path / "state", 1)
    state = State(tmp_path / "state", initialize=True)
    logs = Logs(state, "localhost", Ticking(NOON), initialize=True)
    for name in ("../other", "", "a/b", "A"):
        with pytest.raises(audit.Unwritable, match="no name of a tenant"):
            list(logs.append(name, [denial(0)]))
    state.close()


def test_a_flipped_letter_anywhere_in_the_database_row_is_found(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([intent(0), intent(1)])
        log.publish(Ticking())
    database = sqlite3.connect(tmp_path / "audit.sqlite", isolation_level=None)
    names = ("origin", "body", "time_us", "opened", "digest")
    found = database.execute(f"SELECT {', '.join(names)} FROM log").fetchone()  # noqa: S608 - names from this file
    for column, value in zip(names, found, strict=True):
        text = str(value)
        for at in {0, len(text) // 3, len(text) // 2, len(text) - 2}:
            flipped = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
            database.execute(f"UPDATE log SET {column} = ?", (flipped,))  # noqa: S608 - a name from this file
            with opened_state(tmp_path) as state, pytest.raises(audit.Unwritable):
                Logs(state, "localhost", Ticking(), initialize=False)
        database.execute(f"UPDATE log SET {column} = ?", (value,))  # noqa: S608 - a name from this file
    database.close()
    with opened_state(tmp_path) as state:
        assert opened_log(state).published == 4


def test_the_database_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    _filled(tmp_path, 3)
    database = sqlite3.connect(tmp_path / "audit.sqlite", isolation_level=None)
    database.execute("ALTER TABLE log DROP COLUMN digest")
    database.close()
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([denial(3)])
        log.publish(Ticking())
    database = sqlite3.connect(tmp_path / "audit.sqlite")
    assert database.execute("SELECT digest IS NOT NULL FROM log").fetchone() == (1,)
    database.close()
    assert verified(tmp_path).size == 4
