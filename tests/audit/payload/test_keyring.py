"""A keyring: keys are durable before use, found again, destroyed in place; damage is found and stays where it is."""

import os
from pathlib import Path

import pytest

from tallystick.audit.model import Unwritable
from tallystick.audit.payload import Damaged, Gone, open_provider
from tallystick.audit.payload.keys import FileKeyring, open_master, slots
from tallystick.audit.payload.keys.slots import SLOT_BYTES
from tallystick.audit.payload.model import PayloadKey
from tests.audit.payload.stored import ALICE, BOB, Hand

NOW = 1_780_000_000.0


def keyring(state: Path, tenant: str = "bank") -> FileKeyring:
    """The keyring of a tenant, opened as a start would open it."""
    return FileKeyring(state / tenant / "keyring", tenant, open_master(state, open_provider(state), Hand()))


def opens(found: PayloadKey | Gone, with_key: PayloadKey) -> bool:
    """Whether what was found is the same key."""
    sealed = with_key.cipher.encrypt(bytes(12), b"x", None)
    return isinstance(found, PayloadKey) and found.cipher.decrypt(bytes(12), sealed, None) == b"x"


def test_a_subject_has_one_key_in_each_class_and_it_is_there_after_a_restart(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    first = ring.key_for(ALICE, "standard", NOW)
    assert ring.key_for(ALICE, "standard", NOW + 1).id == first.id
    assert len({first.id, ring.key_for(ALICE, "brief", NOW).id, ring.key_for(BOB, "standard", NOW).id}) == 3
    ring.close()
    again = keyring(tmp_path)
    assert again.key_for(ALICE, "standard", NOW).id == first.id
    assert opens(again.key(first.id), first)
    assert again.live == 3


def test_a_slot_is_synced_before_its_key_is_used(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    ring.key_for(ALICE, "standard", NOW)
    slot = slots.decode((tmp_path / "bank" / "keyring").read_bytes()[:SLOT_BYTES])
    assert slot is not None
    assert (slot.state, slot.subject, slot.retention, slot.made_us) == (slots.LIVE, ALICE, "standard", int(NOW * 1e6))


def test_keys_of_a_round_are_made_together_and_only_where_they_are_missing(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    known = ring.key_for(ALICE, "standard", NOW)
    ring.keys_for([(ALICE, "standard"), (BOB, "standard"), (BOB, "standard"), (BOB, "brief")], NOW)
    assert ring.live == 3
    assert ring.key_for(ALICE, "standard", NOW).id == known.id


def test_a_destroyed_key_is_gone_and_its_place_says_why(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    doomed, spared = ring.key_for(ALICE, "standard", NOW), ring.key_for(BOB, "standard", NOW)
    path = tmp_path / "bank" / "keyring"
    before = slots.decode(path.read_bytes()[:SLOT_BYTES])
    assert before is not None
    assert ring.destroy([doomed.id], "erased", 41, NOW + 5) == 1
    assert before.wrapped not in path.read_bytes()
    assert ring.key(doomed.id) == Gone("erased", 41)
    assert opens(ring.key(spared.id), spared)
    ring.close()
    again = keyring(tmp_path)
    assert again.key(doomed.id) == Gone("erased", 41)
    assert again.find(ALICE) == []
    assert again.key_for(ALICE, "standard", NOW).id != doomed.id


def test_destroying_again_does_nothing_and_keeps_the_first_reason(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    doomed = ring.key_for(ALICE, "standard", NOW)
    ring.destroy([doomed.id], "erased", 41, NOW)
    assert ring.destroy([doomed.id, "00" * 16], "expired", 99, NOW) == 0
    assert ring.key(doomed.id) == Gone("erased", 41)


def test_an_expired_key_says_so_without_a_leaf(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    doomed = ring.key_for(ALICE, "standard", NOW)
    ring.destroy([doomed.id], "expired", None, NOW)
    assert ring.key(doomed.id) == Gone("expired", None)


def test_any_changed_byte_of_a_slot_is_found_and_the_others_still_serve(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    damaged, sound = ring.key_for(ALICE, "standard", NOW), ring.key_for(BOB, "standard", NOW)
    ring.close()
    path = tmp_path / "bank" / "keyring"
    whole = path.read_bytes()
    for at in range(0, SLOT_BYTES, 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        again = keyring(tmp_path)
        assert again.damaged == [0]
        assert opens(again.key(sound.id), sound)
        with pytest.raises(Damaged, match=r"damaged slots: \[0\]"):
            again.key(damaged.id)
        again.close()


def test_a_slot_that_goes_bad_under_a_running_writer_is_no_key(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    ring.key_for(ALICE, "standard", NOW)
    found = ring.find(ALICE)
    with (tmp_path / "bank" / "keyring").open("r+b") as file:
        file.seek(300)
        file.write(b"\xff\xfe")
    with pytest.raises(Damaged, match="slot 0 is damaged"):
        ring.key(found[0][0])


def test_a_torn_last_slot_is_not_used_again(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    ring.key_for(ALICE, "standard", NOW)
    ring.close()
    path = tmp_path / "bank" / "keyring"
    with path.open("r+b") as file:
        file.seek(SLOT_BYTES)
        file.write(b"TKS1 half a slot")
    again = keyring(tmp_path)
    again.key_for(BOB, "standard", NOW)
    assert again.damaged == [1]
    assert slots.decode(path.read_bytes()[2 * SLOT_BYTES : 3 * SLOT_BYTES]) is not None


def test_a_file_that_was_growing_when_the_power_went_is_mended(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    first = ring.key_for(ALICE, "standard", NOW)
    ring.close()
    path = tmp_path / "bank" / "keyring"
    path.write_bytes(path.read_bytes() + bytes(700))
    again = keyring(tmp_path)
    assert path.stat().st_size % SLOT_BYTES == 0
    assert opens(again.key(first.id), first)


def test_a_slot_of_another_tenant_does_not_open(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    key = ring.key_for(ALICE, "standard", NOW)
    ring.close()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "keyring").write_bytes((tmp_path / "bank" / "keyring").read_bytes())
    with pytest.raises(Damaged, match="does not open"):
        keyring(tmp_path, "shop").key(key.id)


def test_a_keyring_grows_past_its_first_slots(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    ring.keys_for([(f"{number:064x}", "standard") for number in range(300)], NOW)
    assert ring.live == 300
    ring.close()
    assert keyring(tmp_path).live == 300


def test_the_first_failed_write_is_the_last(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    ring.key_for(ALICE, "standard", NOW)
    full = os.open("/dev/full", os.O_RDWR)
    inner = next(value for name, value in vars(ring).items() if name == "_file")
    os.dup2(full, inner)
    os.close(full)
    for _ in range(2):
        with pytest.raises(Unwritable, match="cannot be written"):
            ring.key_for(BOB, "standard", NOW)
    assert ring.find(BOB) == []


def test_only_the_owner_may_read_a_keyring(tmp_path: Path) -> None:
    keyring(tmp_path)
    assert (tmp_path / "bank" / "keyring").stat().st_mode & 0o777 == 0o600


def test_a_retired_key_reads_what_was_sealed_and_seals_nothing_more_also_after_a_restart(tmp_path: Path) -> None:
    ring = keyring(tmp_path)
    first = ring.key_for(ALICE, "standard", NOW)
    ring.retire([first.id])
    ring.close()
    ring = keyring(tmp_path)
    assert opens(ring.key(first.id), first)
    assert ring.find(ALICE) == [(first.id, "standard")]
    second = ring.key_for(ALICE, "standard", NOW)
    assert second.id != first.id
    assert opens(ring.key(first.id), first)
    assert ring.key_for(ALICE, "standard", NOW).id == second.id
    assert {key_id for key_id, _ in ring.find(ALICE)} == {first.id, second.id}
    assert (ring.live, ring.find(ALICE, ["brief"])) == (2, [])
    assert ring.destroy([first.id], "erased", 7, NOW) == 1
    assert ring.key(first.id) == Gone("erased", 7)
    assert ring.key_for(ALICE, "standard", NOW).id == second.id
    assert ring.find(ALICE) == [(second.id, "standard")]
    ring.retire([first.id, second.id])
    assert ring.destroy([first.id, second.id], "erased", 8, NOW) == 1
    assert (ring.live, ring.key(first.id)) == (0, Gone("erased", 7))
