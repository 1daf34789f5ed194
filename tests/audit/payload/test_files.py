"""Records in segments: kept once, found by call and field, rebuilt without the index, expired and moved as wholes."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tallystick.audit.model import Sealed
from tallystick.audit.payload import Damaged, Vault, read_records
from tallystick.audit.payload.files import FileRecords
from tests.audit import sample
from tests.audit.payload.stored import APRIL, BANK, MARCH, MAY, Hand, capture, opened, stored


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return opened(tmp_path / "other", Hand(MAY)).vault(BANK)


def sealed(vault: Vault, number: int, at: float = MAY, size: int = 100, retention: str = "standard") -> list[Sealed]:
    """One payload of a numbered call."""
    return vault.seal(sample.intent(number), capture(("args", b"x" * size), retention=retention), at)


def segments(root: Path) -> list[str]:
    """Names of the segments below a payload directory."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.pay"))


def found(records: FileRecords, numbers: Sequence[int]) -> list[int]:
    """Numbers of the calls whose arguments are found."""
    return [number for number in numbers if records.find(sample.call_of(number), "args") is not None]


def test_records_are_found_by_call_and_field_at_once_and_after_a_restart(tmp_path: Path, vault: Vault) -> None:
    records = FileRecords(tmp_path / "bank")
    (one,), (two,) = sealed(vault, 1), sealed(vault, 2)
    assert len(records.keep([one, two])) == 2
    assert records.find(sample.call_of(1), "args") == one.record
    assert records.find(sample.call_of(1), "result") is None
    records.close()
    again = FileRecords(tmp_path / "bank")
    assert again.find(sample.call_of(2), "args") == two.record
    assert again.damaged == []


def test_keeping_again_stores_nothing_more(tmp_path: Path, vault: Vault) -> None:
    records = FileRecords(tmp_path / "bank")
    batch = [*sealed(vault, 1), *sealed(vault, 2)]
    records.keep([*batch, *batch])
    size = (tmp_path / "bank/standard/2026-05-1.pay").stat().st_size
    assert records.keep(batch) == []
    records.close()
    again = FileRecords(tmp_path / "bank")
    assert again.keep([*batch, *sealed(vault, 3)]) != []
    assert (tmp_path / "bank/standard/2026-05-1.pay").stat().st_size == size + size // 2
    assert [usage.records for usage in again.usage()] == [3]


def test_classes_and_months_have_segments_of_their_own(tmp_path: Path, vault: Vault) -> None:
    records = FileRecords(tmp_path / "bank")
    records.keep([*sealed(vault, 1, MARCH), *sealed(vault, 2, APRIL), *sealed(vault, 3, APRIL, retention="brief")])
    assert segments(tmp_path / "bank") == ["brief/2026-04-1.pay", "standard/2026-03-1.pay", "standard/2026-04-1.pay"]


def test_a_segment_has_a_bounded_size(tmp_path: Path, vault: Vault) -> None:
    records = FileRecords(tmp_path / "bank", segment_bytes=2000)
    numbers = range(20)
    records.keep([one for number in numbers for one in sealed(vault, number)])
    records.keep(sealed(vault, 20, size=5000))
    records.keep(sealed(vault, 21))
    paths = sorted((tmp_path / "bank/standard").glob("*.pay"))
    assert len(paths) > 5
    assert all(path.stat().st_size <= 2000 or path.stat().st_size > 5000 for path in paths)
    assert found(records, range(22)) == [*range(22)]
    records.close()
    assert found(FileRecords(tmp_path / "bank", segment_bytes=2000), range(22)) == [*range(22)]


def test_the_index_is_made_anew_out_of_the_segments(tmp_path: Path, vault: Vault) -> None:
    records = FileRecords(tmp_path / "bank", segment_bytes=2000)
    records.keep([one for number in range(30) for one in sealed(vault, number)])
    usage = records.usage()
    records.close()
    for path in (tmp_path / "bank").glob("index.sqlite*"):
        path.unlink()
    again = FileRecords(tmp_path / "bank", segment_bytes=2000)
    assert found(again, range(30)) == [*range(30)]
    assert again.usage() == usage
    assert again.keep(sealed(vault, 30)) != []


def test_what_the_index_has_not_seen_when_the_power_went_is_taken_in(tmp_path: Path, vault: Vault) -> None:
    root = tmp_path / "bank"
    records = FileRecords(root)
    records.keep(sealed(vault, 1))
    records.close()
    before = (root / "index.sqlite").read_bytes()
    records = FileRecords(root)
    records.keep(sealed(vault, 2))
    records.close()
    for path in root.glob("index.sqlite*"):
        path.unlink()
    (root / "index.sqlite").write_bytes(before)
    again = FileRecords(root)
    assert found(again, [1, 2]) == [1, 2]


@pytest.mark.parametrize("lost", [1, 5, 11, 12, 100, 300])
def test_a_torn_tail_is_cut_off_and_writing_goes_on_behind_it(tmp_path: Path, vault: Vault, lost: int) -> None:
    root = tmp_path / "bank"
    records = FileRecords(root)
    records.keep(sealed(vault, 1))
    records.close()
    path = root / "standard/2026-05-1.pay"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) - lost])
    again = FileRecords(root)
    assert path.read_bytes() == whole
    assert again.damaged == []
    again.keep(sealed(vault, 2))
    assert path.stat().st_size == 2 * len(whole)
    assert found(again, [1, 2]) == [1, 2]


def test_a_torn_first_record_of_a_segment_is_cut_off(tmp_path: Path, vault: Vault) -> None:
    root = tmp_path / "bank"
    records = FileRecords(root)
    records.keep(sealed(vault, 1))
    records.close()
    with sqlite3.connect(root / "index.sqlite") as database:
        database.execute("UPDATE segment SET length = 0, records = 0, content = 0")
        database.execute("DELETE FROM record")
    database.close()
    path = root / "standard/2026-05-1.pay"
    os.truncate(path, path.stat().st_size - 3)
    again = FileRecords(root)
    assert path.stat().st_size == 0
    again.keep(sealed(vault, 2))
    assert found(again, [1, 2]) == [2]


def test_a_tail_that_nobody_can_tell_from_damage_stays_and_nothing_goes_behind_it(tmp_path: Path, vault: Vault) -> None:
    root = tmp_path / "bank"
    records = FileRecords(root)
    records.keep([*sealed(vault, 1), *sealed(vault, 2)])
    records.close()
    for path in root.glob("index.sqlite*"):
        path.unlink()
    path = root / "standard/2026-05-1.pay"
    content = path.read_bytes()[:-5]
    path.write_bytes(content)
    again = FileRecords(root)
    assert again.damaged == [f"{path}: {len(content) // 2 - 2} bytes at {len(content) // 2 + 3}"]
    again.keep(sealed(vault, 3))
    assert path.read_bytes() == content
    assert segments(root) == ["standard/2026-05-1.pay", "standard/2026-05-2.pay"]
    assert found(again, [1, 2, 3]) == [1, 3]


def test_damage_in_the_middle_costs_one_record_and_is_named(tmp_path: Path, vault: Vault) -> None:
    root = tmp_path / "bank"
    records = FileRecords(root)
    records.keep([one for number in range(3) for one in sealed(vault, number)])
    path = root / "standard/2026-05-1.pay"
    content = bytearray(path.read_bytes())
    length = len(content) // 3
    content[length + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=f"at {length} are not the record"):
        records.find(sample.call_of(1), "args")
    records.close()
    read = [*read_records(root)]
    assert [one.header is None for one in read] == [False, True, False]
    assert (read[1].offset, read[1].length) == (length, length)
    for index in root.glob("index.sqlite*"):
        index.unlink()
    again = FileRecords(root)
    assert again.damaged == [f"{path}: {length} bytes at {length}"]
    assert found(again, [0, 1, 2]) == [0, 2]


def test_a_segment_that_lost_its_end_is_named_and_not_written_to(tmp_path: Path, vault: Vault) -> None:
    root = tmp_path / "bank"
    records = FileRecords(root)
    records.keep([*sealed(vault, 1), *sealed(vault, 2)])
    records.close()
    path = root / "standard/2026-05-1.pay"
    os.truncate(path, path.stat().st_size - 10)
    again = FileRecords(root)
    assert len(again.damaged) == 1
    again.keep(sealed(vault, 3))
    assert segments(root)[-1] == "standard/2026-05-2.pay"
    assert found(again, [1, 3]) == [1, 3]
    with pytest.raises(Damaged):
        again.find(sample.call_of(2), "args")


def test_records_are_read_without_any_key(tmp_path: Path, vault: Vault) -> None:
    records = FileRecords(tmp_path / "bank")
    records.keep([*sealed(vault, 1, MARCH), *sealed(vault, 2)])
    read = [one.header for one in read_records(tmp_path / "bank")]
    assert [(one.call, one.field, one.month) for one in read if one is not None] == [
        (sample.call_of(1), "args", "2026-03"),
        (sample.call_of(2), "args", "2026-05"),
    ]


def test_the_first_failed_write_is_the_last(tmp_path: Path, vault: Vault) -> None:
    root = tmp_path / "bank"
    records = FileRecords(root)
    (root / "standard").write_text("no directory")
    for _ in range(2):
        with pytest.raises(OSError, match="standard"):
            records.keep(sealed(vault, 1))
    (root / "standard").unlink()
    with pytest.raises(OSError, match="standard"):
        records.keep(sealed(vault, 1))
    assert found(FileRecords(root), [1]) == []


def test_a_record_that_was_handed_over_under_another_class_is_refused(tmp_path: Path, vault: Vault) -> None:
    records = FileRecords(tmp_path / "bank")
    with pytest.raises(Damaged, match="told as brief"):
        records.keep([Sealed("brief", sealed(vault, 1)[0].record)])


def test_expired_months_go_as_whole_segments_and_stay_gone(tmp_path: Path) -> None:
    clock = Hand(MAY)
    vaults = opened(tmp_path, clock)
    vault = vaults.vault(BANK)
    for number, at in enumerate([MARCH, APRIL, MAY]):
        stored(vault, number, capture(("args", b"%d" % number)), at)
    removed = vault.expire("standard", APRIL)
    assert (removed.segments, removed.records, removed.keys) == (1, 1, 0)
    root = tmp_path / "payload/bank"
    assert segments(root) == ["standard/2026-04-1.pay", "standard/2026-05-1.pay"]
    assert (root / "standard/expired").read_text() == "2026-03\n"
    vaults.close()
    again = opened(tmp_path, clock).vault(BANK)
    assert [usage.month for usage in again.usage()] == ["2026-04", "2026-05"]
    assert again.reveal(sample.call_of(2), "args") == b"2"


def test_an_expiry_that_a_crash_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    vaults = opened(tmp_path, Hand(MAY))
    vault = vaults.vault(BANK)
    stored(vault, 1, capture(("args", b"1")), MARCH)
    doomed = vault.keyring.find("a1" * 32)[0][0]
    assert vault.records.condemn("standard", "2026-03") == [doomed]
    vaults.close()
    again = opened(tmp_path, Hand(MAY)).vault(BANK)
    assert segments(tmp_path / "payload/bank") == []
    assert again.usage() == []
    assert again.keyring.find("a1" * 32) == []


def test_old_months_move_to_a_cheaper_directory_and_are_found_there(tmp_path: Path) -> None:
    state, cheap = tmp_path / "state", tmp_path / "cheap"
    vaults = opened(state, Hand(MAY))
    vault = vaults.vault(BANK)
    for number, at in enumerate([MARCH, APRIL, MAY]):
        stored(vault, number, capture(("args", b"%d" % number)), at)
    moved = vault.tier(MAY, f"{cheap}/")
    assert (moved.segments, moved.records, moved.place) == (2, 2, str(cheap))
    assert segments(state / "payload/bank") == ["standard/2026-05-1.pay"]
    assert segments(cheap / "bank") == ["standard/2026-03-1.pay", "standard/2026-04-1.pay"]
    assert [vault.reveal(sample.call_of(number), "args") for number in range(3)] == [b"0", b"1", b"2"]
    assert [(usage.month, usage.place) for usage in vault.usage()] == [
        ("2026-03", str(cheap)),
        ("2026-04", str(cheap)),
        ("2026-05", ""),
    ]
    assert len([*read_records(state / "payload/bank")]) == 3
    vaults.close()
    for index in (state / "payload/bank").glob("index.sqlite*"):
        index.unlink()
    again = opened(state, Hand(MAY)).vault(BANK)
    assert again.reveal(sample.call_of(0), "args") == b"0"
    # What comes late for a month that has moved goes to a segment of its own.
    stored(again, 9, capture(("args", b"late")), MARCH)
    assert segments(state / "payload/bank") == ["standard/2026-03-2.pay", "standard/2026-05-1.pay"]
    assert again.expire("standard", MAY).records == 3
    assert segments(cheap / "bank") == []


@pytest.mark.parametrize("noted", [True, False])
def test_a_move_that_a_crash_cut_short_is_finished(tmp_path: Path, *, noted: bool) -> None:
    state, cheap = tmp_path / "state", tmp_path / "cheap"
    vaults = opened(state, Hand(MAY))
    stored(vaults.vault(BANK), 1, capture(("args", b"1")), MARCH)
    source = state / "payload/bank/standard/2026-03-1.pay"
    content = source.read_bytes()
    before = {path.name: path.read_bytes() for path in (state / "payload/bank").glob("index.sqlite*")}
    vaults.vault(BANK).tier(MAY, str(cheap))
    vaults.close()
    source.write_bytes(content)
    if not noted:
        for path in (state / "payload/bank").glob("index.sqlite*"):
            path.unlink()
        for name, old in before.items():
            (state / "payload/bank" / name).write_bytes(old)
    again = opened(state, Hand(MAY)).vault(BANK)
    assert not source.exists()
    assert again.reveal(sample.call_of(1), "args") == b"1"
    assert [(usage.records, usage.place) for usage in again.usage()] == [(1, str(cheap))]


def test_two_copies_of_a_segment_that_differ_stop_the_start(tmp_path: Path) -> None:
    state, cheap = tmp_path / "state", tmp_path / "cheap"
    vaults = opened(state, Hand(MAY))
    stored(vaults.vault(BANK), 1, capture(("args", b"1")), MARCH)
    source = state / "payload/bank/standard/2026-03-1.pay"
    content = source.read_bytes()
    vaults.vault(BANK).tier(MAY, str(cheap))
    vaults.close()
    source.write_bytes(content[:-1] + b"?")
    with pytest.raises(Exception, match="should be the same, and differ"):
        opened(state, Hand(MAY))
    assert source.exists()


def test_payloads_in_a_directory_that_is_not_mounted_are_not_said_to_be_gone(tmp_path: Path) -> None:
    state, cheap = tmp_path / "state", tmp_path / "cheap"
    vaults = opened(state, Hand(MAY))
    stored(vaults.vault(BANK), 1, capture(("args", b"1")), MARCH)
    vaults.vault(BANK).tier(MAY, str(cheap))
    vaults.close()
    cheap.rename(tmp_path / "away")
    again = opened(state, Hand(MAY))
    with pytest.raises(Damaged, match="mounted"):
        again.vault(BANK).reveal(sample.call_of(1), "args")
    again.close()
    (tmp_path / "away").rename(cheap)
    assert opened(state, Hand(MAY)).vault(BANK).reveal(sample.call_of(1), "args") == b"1"


@pytest.mark.parametrize("place", ["state/payload", "state/payload/bank", "state", "link"])
def test_payloads_are_never_moved_into_themselves(tmp_path: Path, place: str) -> None:
    state = tmp_path / "state"
    vault = opened(state, Hand(MAY)).vault(BANK)
    stored(vault, 1, capture(("args", b"1")), MARCH)
    (tmp_path / "link").symlink_to(state / "payload")
    if place == "state":
        (state / "bank").symlink_to(state / "payload")
    with pytest.raises(OSError, match="is where the payloads are"):
        vault.tier(MAY, str(tmp_path / place))
    assert vault.reveal(sample.call_of(1), "args") == b"1"
    assert segments(state / "payload/bank") == ["standard/2026-03-1.pay"]


def test_a_cheaper_directory_is_for_one_state_directory_only(tmp_path: Path) -> None:
    cheap = tmp_path / "cheap"
    vaults = [opened(tmp_path / name, Hand(MAY)) for name in ("one", "two")]
    for at in vaults:
        stored(at.vault(BANK), 1, capture(("args", b"1")), MARCH)
    vaults[0].vault(BANK).tier(MAY, str(cheap))
    with pytest.raises(OSError, match="not of this state directory"):
        vaults[1].vault(BANK).tier(MAY, str(cheap))
    stored(vaults[0].vault(BANK), 2, capture(("args", b"2")), APRIL)
    assert vaults[0].vault(BANK).tier(MAY, str(cheap)).segments == 1
    for number, at in enumerate(vaults):
        at.close()
        again = opened(tmp_path / ("one", "two")[number], Hand(MAY)).vault(BANK)
        assert again.reveal(sample.call_of(1), "args") == b"1"


def test_a_segment_is_never_moved_over_another(tmp_path: Path) -> None:
    state, cheap = tmp_path / "state", tmp_path / "cheap"
    vault = opened(state, Hand(MAY)).vault(BANK)
    stored(vault, 1, capture(("args", b"1")), MARCH)
    vault.tier(MAY, str(cheap))
    stored(vault, 2, capture(("args", b"2")), APRIL)
    (cheap / "bank/standard/2026-04-1.pay").write_bytes(b"something else")
    with pytest.raises(OSError, match="exists already and differs"):
        vault.tier(MAY, str(cheap))
    assert vault.reveal(sample.call_of(2), "args") == b"2"
