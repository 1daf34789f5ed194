"""No payload stands in clear in any file of a state directory; and the search that says so finds what is there."""

import json
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.audit.model import Capture
from tallystick.audit.payload.keys.keyring import FileKeyring
from tallystick.audit.payload.model import PayloadKey
from tests.audit import sample
from tests.audit.payload.canaries import CANARIES, seen_in, sightings
from tests.audit.payload.stored import BANK, capture, opened, stored


def told() -> Capture:
    """Canaries in arguments, result, prompt and reason."""
    everything = json.dumps(CANARIES, ensure_ascii=False).encode()
    return capture(
        ("args", everything),
        ("result", json.dumps(CANARIES).encode()),
        ("prompt", " ".join(CANARIES.values()).encode("utf-16")),
        ("reason", b64encode(everything)),
        ("intent", everything.hex().encode()),
    )


class Clear:
    """No encryption at all."""

    def encrypt(self, nonce: bytes, content: bytes, bound: bytes) -> bytes:
        """Return the content and sixteen bytes."""
        del nonce, bound
        return content + bytes(16)


def test_no_canary_is_in_any_file(tmp_path: Path) -> None:
    vaults = opened(tmp_path)
    vault = vaults.vault(BANK)
    for number in range(50):
        stored(vault, number, told())
    vault.tier(sample.NOON + 90 * 86400, str(tmp_path / "cheap"))
    assert sightings(tmp_path) == []
    assert vault.reveal(sample.call_of(7), "args") == told().contents[0].content
    vault.erase("a1" * 32)
    vaults.rotate()
    vaults.close()
    assert sightings(tmp_path) == []


def test_the_canaries_are_found_when_encryption_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unencrypted(keyring: FileKeyring, subject: str, retention: str, at: float) -> PayloadKey:
        keyring.keys_for([(subject, retention)], at)
        return PayloadKey(keyring.find(subject)[0][0], Clear())  # pyright: ignore[reportArgumentType] - broken on purpose

    monkeypatch.setattr(FileKeyring, "key_for", unencrypted)
    stored(opened(tmp_path).vault(BANK), 1, told())
    found = sightings(tmp_path)
    assert {line.partition(": ")[0] for line in found} == {"payload/bank/standard/2026-05-1.pay"}
    for name in CANARIES:
        for form in ("utf-8", "utf-16-le", "hex", "base64"):
            assert any(f": {name} as {form}" in line for line in found), (name, form)


@pytest.mark.parametrize("name", CANARIES)
def test_the_search_knows_every_form(name: str) -> None:
    text = CANARIES[name]
    for shift in range(3):
        around = b64encode(b"x" * shift + text.encode() + b"yz")
        assert any("base64" in line for line in seen_in(around)), shift
    assert seen_in(b"..." + text.encode("utf-16-be"))
    assert seen_in(json.dumps(text).encode())
    assert seen_in(text.encode().hex().upper().encode())
    assert not seen_in(AESGCM(bytes(32)).encrypt(bytes(12), text.encode() * 100, None))
