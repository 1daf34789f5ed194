"""The master key in a file: for its owner only, in versions, and nothing without it."""

from pathlib import Path

import pytest

from tallystick.audit.payload import Locked
from tallystick.audit.payload.keys.file import FileProvider
from tests.audit.payload.stored import opened

KEY = bytes(range(32))


def test_the_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    opened(tmp_path)
    path = tmp_path / "keys/payload-master"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o666])
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    opened(tmp_path)
    path = tmp_path / "keys/payload-master"
    path.chmod(mode)
    with pytest.raises(Locked, match=rf"file \({path}\): mode {mode:04o}.*Next: chown \d+ {path}; chmod 600 {path}"):
        opened(tmp_path)


def test_a_file_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "keys/payload-master").unlink()
    with pytest.raises(Locked, match=r"it is gone.*Next: restore"):
        opened(tmp_path)
    assert not (tmp_path / "keys/payload-master").exists()


@pytest.mark.parametrize("text", ["", "1 abc\n", "1 " + "0" * 64 + "\nrubbish\n", "\x00\xff"])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    opened(tmp_path)
    (tmp_path / "keys/payload-master").write_text(text)
    with pytest.raises(Locked, match=r"damaged|cannot be read"):
        opened(tmp_path)


def test_another_master_key_of_the_same_version_does_not_open(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "keys/payload-master").write_text("1 " + "0" * 64 + "\n")
    with pytest.raises(Locked, match="its version 1 is not the key that wrapped"):
        opened(tmp_path)


def test_a_wrapped_key_opens_in_its_own_context_only(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path)
    wrapped = provider.wrap(KEY, b"one")
    assert provider.unwrap(wrapped, b"one") == KEY
    assert provider.version(wrapped) == "1"
    with pytest.raises(Locked):
        provider.unwrap(wrapped, b"two")
    for other in (b"vault:v1:abc", b"file:9:" + wrapped, b"", wrapped[:-1]):
        with pytest.raises(Locked):
            provider.unwrap(other, b"one")


def test_a_renewed_master_key_wraps_and_the_older_ones_still_open(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path)
    first = provider.wrap(KEY, b"c")
    assert provider.renew() == 2
    second = provider.wrap(KEY, b"c")
    assert provider.version(second) == "2"
    assert provider.unwrap(first, b"c") == provider.unwrap(second, b"c") == KEY
    provider.retire()
    assert provider.unwrap(second, b"c") == KEY
    with pytest.raises(Locked, match="no version 1"):
        provider.unwrap(first, b"c")


@pytest.mark.parametrize("replaced", [True, False])
def test_a_copy_that_a_crash_left_is_overwritten_and_the_living_file_is_not(tmp_path: Path, *, replaced: bool) -> None:
    provider = FileProvider(tmp_path)
    wrapped = provider.wrap(KEY, b"c")
    old = provider.path.with_name("payload-master.old")
    old.hardlink_to(provider.path)
    if replaced:
        text = provider.path.read_bytes()
        provider.path.unlink()
        provider.path.write_bytes(text)
        provider.path.chmod(0o600)
    watcher = old.open("rb")
    provider.renew()
    assert not old.exists()
    assert provider.unwrap(wrapped, b"c") == KEY
    assert not watcher.read().strip(b"\0")
    watcher.close()
