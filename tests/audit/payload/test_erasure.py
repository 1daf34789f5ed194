"""After an erasure neither the payload nor its wrapped key is anywhere: in no file, and not in the raw file system."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick.audit.payload import Gone
from tallystick.audit.payload.keys import slots
from tests.audit import sample
from tests.audit.payload.stored import ALICE, BANK, BOB, capture, every_file, opened, stored

SECRET = b"IBAN GB29NWBK60161331926819 of Zsofia Thornbury, not to be found again"


def slot_of(state: Path, subject: str) -> slots.Slot:
    """The live slot of a subject, as it stands in the file."""
    content = (state / "payload/bank/keyring").read_bytes()
    pieces = [content[at : at + slots.SLOT_BYTES] for at in range(0, len(content), slots.SLOT_BYTES)]
    return next(slot for slot in map(slots.decode, pieces) if slot is not None and slot.subject == subject)


def write_and_erase(state: Path) -> slots.Slot:
    """Keep payloads of two people, erase one of them; returns the slot that was erased."""
    vaults = opened(state)
    vault = vaults.vault(BANK)
    for number in range(20):
        stored(vault, number, capture(("args", SECRET + b" %d" % number)))
    stored(vault, 99, capture(("args", b"somebody else's"), subject=BOB))
    erased = slot_of(state, ALICE)
    assert vault.erase(ALICE, leaf=7).keys == 1
    assert vault.reveal(sample.call_of(3), "args") == Gone("erased", 7)
    assert vault.reveal(sample.call_of(99), "args") == b"somebody else's"
    vaults.close()
    return erased


def remains(content: bytes, slot: slots.Slot) -> list[str]:
    """What of an erased subject is left in some bytes."""
    wanted = {"payload": SECRET, "wrapped key": slot.wrapped, "part of it": slot.wrapped[:12], "nonce": slot.nonce}
    return [name for name, part in wanted.items() if part in content]


def test_no_file_holds_the_payload_or_its_wrapped_key_after_an_erasure(tmp_path: Path) -> None:
    erased = write_and_erase(tmp_path)
    assert not {path: left for path, content in every_file(tmp_path) if (left := remains(content, erased))}


def test_an_index_holds_no_key_and_no_payload_even_before_an_erasure(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    stored(vaults.vault(BANK), 1, capture(("args", SECRET)))
    slot = slot_of(tmp_path, ALICE)
    indexes = [(path, content) for path, content in every_file(tmp_path) if "sqlite" in path.name]
    assert len(indexes) >= 2
    assert not {path: left for path, content in indexes if (left := remains(content, slot))}
    assert remains((tmp_path / "payload/bank/keyring").read_bytes(), slot) == ["wrapped key", "part of it", "nonce"]


@contextmanager
def mounted(image: Path, place: Path) -> Generator[None]:
    """An ext4 file system in a file, mounted."""
    with image.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True, timeout=60)
    place.mkdir()
    told = subprocess.run(
        ["mount", "-o", "loop", str(image), str(place)], capture_output=True, text=True, timeout=60, check=False
    )
    if told.returncode:
        pytest.skip(
            f"SKIPPED LANE: erasure from a disk image because a loop device cannot be mounted: {told.stderr.strip()}"
        )
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True, timeout=60)


def needs() -> str | None:
    """What this machine lacks for a file system of its own."""
    missing = [tool for tool in ("mkfs.ext4", "mount", "umount") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} is missing (Debian: apt-get install e2fsprogs mount)"
    return None if os.geteuid() == 0 else "only root may mount"


@pytest.mark.skipif(needs() is not None, reason=f"SKIPPED LANE: erasure from a disk image because {needs()}")
def test_the_raw_image_of_a_file_system_holds_neither_after_an_erasure(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    with mounted(image, tmp_path / "disk"):
        erased = write_and_erase(tmp_path / "disk/state")
    assert remains(image.read_bytes(), erased) == []


@pytest.mark.skipif(needs() is not None, reason=f"SKIPPED LANE: erasure from a disk image because {needs()}")
def test_the_raw_image_still_holds_a_key_that_was_only_deleted(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    with mounted(image, tmp_path / "disk"):
        vaults = opened(tmp_path / "disk/state")
        stored(vaults.vault(BANK), 1, capture(("args", SECRET)))
        slot = slot_of(tmp_path / "disk/state", ALICE)
        vaults.close()
        (tmp_path / "disk/state/payload/bank/keyring").unlink()
    assert remains(image.read_bytes(), slot) == ["wrapped key", "part of it", "nonce"]
