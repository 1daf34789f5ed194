"""Keyring keys: rotated without rewriting, rewrapped without touching a slot, refused when they do not open."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.audit.payload import KeyProvider, Locked, open_provider, open_vaults
from tallystick.audit.payload.keys import slots
from tallystick.audit.payload.keys.file import FileProvider
from tests.audit import sample
from tests.audit.payload.stored import BANK, BOB, Hand, capture, every_file, opened, stored


def slot_versions(state: Path) -> list[int]:
    """Versions of the keyring keys that the slots are under."""
    content = (state / "payload/bank/keyring").read_bytes()
    pieces = [content[at : at + slots.SLOT_BYTES] for at in range(0, len(content), slots.SLOT_BYTES)]
    return [slot.version for slot in map(slots.decode, pieces) if slot is not None]


def test_a_rotation_wraps_what_comes_and_leaves_what_is(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    stored(vaults.vault(BANK), 1, capture(("args", b"old")))
    slot = (tmp_path / "payload/bank/keyring").read_bytes()[: slots.SLOT_BYTES]
    assert vaults.rotate() == 2
    stored(vaults.vault(BANK), 2, capture(("args", b"new"), subject=BOB))
    assert slot_versions(tmp_path) == [1, 2]
    assert (tmp_path / "payload/bank/keyring").read_bytes()[: slots.SLOT_BYTES] == slot
    vaults.close()
    again = opened(tmp_path)
    assert [key.version for key in again.status().keyring_keys] == [1, 2]
    assert again.vault(BANK).reveal(sample.call_of(1), "args") == b"old"
    assert again.vault(BANK).reveal(sample.call_of(2), "args") == b"new"


def test_rewrapping_touches_no_slot_and_no_payload(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    stored(vaults.vault(BANK), 1, capture(("args", b"x")))
    vaults.rotate()
    before = dict(every_file(tmp_path / "payload"))
    keyring = (tmp_path / "keys/payload-keyring").read_bytes()
    provider = FileProvider(tmp_path)
    assert provider.renew() == 2
    assert vaults.rewrap(provider) == 2
    provider.retire()
    assert dict(every_file(tmp_path / "payload")) == before
    assert (tmp_path / "keys/payload-keyring").read_bytes() != keyring
    assert [key.master for key in vaults.status().keyring_keys] == ["2", "2"]
    vaults.close()
    assert opened(tmp_path).vault(BANK).reveal(sample.call_of(1), "args") == b"x"


def test_a_retired_master_key_is_in_no_file_and_opens_no_old_copy(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    provider = FileProvider(tmp_path)
    old_master = provider.path.read_text().split()[1].encode()
    old_keyring = (tmp_path / "keys/payload-keyring").read_bytes()
    provider.renew()
    vaults.rewrap(provider)
    provider.retire()
    assert not [path for path, content in every_file(tmp_path) if old_master in content]
    vaults.close()
    (tmp_path / "keys/payload-keyring").write_bytes(old_keyring)
    with pytest.raises(Locked, match="no version 1"):
        opened(tmp_path)


class Other(FileProvider):
    """A provider of another name with a master key of its own."""

    name = "other"


def test_keys_move_to_another_provider_and_the_first_one_is_not_asked_any_more(tmp_path: Path) -> None:
    vaults = opened(tmp_path / "state")
    stored(vaults.vault(BANK), 1, capture(("args", b"x")))
    other = Other(tmp_path / "elsewhere")
    vaults.rewrap(other)
    assert vaults.status().provider == "other"
    assert vaults.rotate() == 2
    vaults.close()
    (tmp_path / "state/keys/payload-master").unlink()
    again = open_vaults(tmp_path / "state", other, Hand())
    assert again.vault(BANK).reveal(sample.call_of(1), "args") == b"x"
    with pytest.raises(Locked, match=r"keyring key 1 .* was wrapped by other.*set audit.keys.provider to other"):
        opened(tmp_path / "state")


class Forgetful(FileProvider):
    """A provider that hands out another key than it was given."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return something else."""
        return bytes(32)


def test_a_provider_that_does_not_return_what_it_wrapped_is_found_out_before_anything_changes(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    before = (tmp_path / "keys/payload-keyring").read_bytes()
    with pytest.raises(Locked, match="does not return the key"):
        vaults.rewrap(Forgetful(tmp_path))
    assert (tmp_path / "keys/payload-keyring").read_bytes() == before
    vaults.close()
    with pytest.raises(Locked, match="unwraps to something else"):
        open_vaults(tmp_path, Forgetful(tmp_path), Hand())


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def no_keys(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "keys": []}))


def skipped_version(path: Path) -> None:
    document = json.loads(path.read_text())
    document["keys"][0]["version"] = 2
    path.write_text(json.dumps(document))


def of_another_keyring(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "id": "00" * 16}))


@pytest.mark.parametrize("damage", [cut, no_keys, skipped_version, of_another_keyring])
def test_a_damaged_keyring_file_stops_the_start(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    stored(opened(tmp_path).vault(BANK), 1, capture(("args", b"x")))
    damage(tmp_path / "keys/payload-keyring")
    with pytest.raises(Locked, match="Next: "):
        opened(tmp_path)


def test_no_key_stands_in_clear_in_the_keyring_file(tmp_path: Path) -> None:
    class Seen(FileProvider):
        keys: list[bytes]

        def wrap(self, key: bytes, context: bytes) -> bytes:
            self.keys.append(key)
            return super().wrap(key, context)

    provider = Seen(tmp_path)
    provider.keys = []
    vaults = open_vaults(tmp_path, provider, Hand())
    vaults.rotate()
    assert len(provider.keys) == 2
    for path, content in every_file(tmp_path):
        for key in provider.keys:
            assert key not in content, path
            assert key.hex().encode() not in content, path


def test_the_file_provider_is_the_default(tmp_path: Path) -> None:
    provider: KeyProvider = open_provider(tmp_path)
    assert provider.name == "file"
    assert open_provider(tmp_path, '{"provider":"file"}').name == "file"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"provider":"floppy"}', "provider floppy: there is no such provider.*file, transit, pkcs11, aws-kms"),
        ('{"provider":"transit","url":"https://v"}', "provider transit: key, token_file missing"),
        ('{"provider":"pkcs11"}', "module, token, key, pin_file missing"),
        ('{"provider":"aws-kms"}', "key missing"),
        ("[]", "cannot be read"),
        ('{"provider":1}', "cannot be read"),
    ],
)
def test_a_choice_that_is_none_says_what_to_correct(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Locked, match=said):
        open_provider(tmp_path, text)
