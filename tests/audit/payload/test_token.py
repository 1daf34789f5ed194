"""A hardware token as key provider, against SoftHSM2: the master key never leaves the token."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.audit.payload import Locked, open_provider, open_vaults
from tallystick.audit.payload.keys.token import TokenProvider
from tests.audit import sample
from tests.audit.payload.stored import BANK, Hand, capture, stored

KEY = bytes(range(32))
PIN = "4321"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
MODULE = next((path for path in MODULES if Path(path).exists()), "")
MAKE_KEY = """
import sys, pkcs11
session = pkcs11.lib(sys.argv[1]).get_token(token_label="tally").open(user_pin=sys.argv[2], rw=True)
hidden = {pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True}
session.generate_key(pkcs11.KeyType.AES, 256, label="master", id=bytes([int(sys.argv[3])]), store=True, template=hidden)
"""
Make = Callable[[int], None]

# A PKCS#11 library reads its configuration once in the life of a process: all tests of this file share one token store.


@pytest.fixture(scope="module")
def make_key(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A fresh token with one key; makes another version when called."""
    pytest.importorskip("pkcs11", reason="SKIPPED LANE: PKCS#11 because python-pkcs11 is not installed")
    if not MODULE or shutil.which("softhsm2-util") is None:
        pytest.skip("SKIPPED LANE: PKCS#11 because SoftHSM2 is missing (Debian: apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    environment = {"PATH": os.defpath, "SOFTHSM2_CONF": str(configuration)}
    patch = pytest.MonkeyPatch()
    patch.setenv("SOFTHSM2_CONF", str(configuration))
    argv = ["softhsm2-util", "--init-token", "--free", "--label", "tally", "--pin", PIN, "--so-pin", "87654321"]
    subprocess.run(argv, env=environment, check=True, capture_output=True, timeout=60)

    def make(number: int) -> None:
        argv = [sys.executable, "-c", MAKE_KEY, MODULE, PIN, str(number)]
        subprocess.run(argv, env=environment, check=True, timeout=60)

    make(1)
    return make


@pytest.fixture
def provider(make_key: Make, tmp_path: Path) -> TokenProvider:
    """The provider as a start would make it."""
    assert make_key
    return with_pin(tmp_path, PIN)


def with_pin(folder: Path, pin: str, label: str = "tally", key: str = "master") -> TokenProvider:
    """A provider that logs in with a PIN."""
    (folder / "pin").write_text(f"{pin}\n")
    return TokenProvider(MODULE, label, key, folder / "pin")


def test_a_key_is_wrapped_in_the_token_and_opens_in_its_own_context_only(provider: TokenProvider) -> None:
    wrapped = provider.wrap(KEY, b"one")
    assert provider.version(wrapped) == "01"
    assert KEY not in wrapped
    assert provider.unwrap(wrapped, b"one") == KEY
    with pytest.raises(Locked, match=r"provider pkcs11 \(.*token tally\): .*Next: pkcs11-tool"):
        provider.unwrap(wrapped, b"two")


def test_a_whole_state_directory_lives_on_a_token_and_moves_to_its_next_key(
    provider: TokenProvider, make_key: Make, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    vaults = open_vaults(state, provider, Hand())
    stored(vaults.vault(BANK), 1, capture(("args", b"x")))
    vaults.close()
    make_key(2)
    vaults = open_vaults(state, provider, Hand())
    assert [key.master for key in vaults.status().keyring_keys] == ["01"]
    vaults.rewrap()
    vaults.rotate()
    assert [key.master for key in vaults.status().keyring_keys] == ["02", "02"]
    vaults.close()
    assert open_vaults(state, provider, Hand()).vault(BANK).reveal(sample.call_of(1), "args") == b"x"


def test_a_wrong_pin_stops_the_start(make_key: Make, tmp_path: Path) -> None:
    assert make_key
    with pytest.raises(Locked, match="PinIncorrect"):
        with_pin(tmp_path, "0000").wrap(KEY, b"c")


def test_a_token_or_key_that_is_not_there_is_named(make_key: Make, tmp_path: Path) -> None:
    assert make_key
    with pytest.raises(Locked, match=r"NoSuchToken.*Next: pkcs11-tool --module .* --list-token-slots"):
        with_pin(tmp_path, PIN, label="other").wrap(KEY, b"c")
    with pytest.raises(
        Locked, match=r"no secret key 'other'.*Next: pkcs11-tool .* --keygen --key-type AES:32 --label other"
    ):
        with_pin(tmp_path, PIN, key="other").wrap(KEY, b"c")


def test_a_key_that_was_removed_from_the_token_is_named(provider: TokenProvider) -> None:
    wrapped = provider.wrap(KEY, b"c").replace(b"pkcs11:0", b"pkcs11:9", 1)
    with pytest.raises(Locked, match="no key 'master' with id 9"):
        provider.unwrap(wrapped, b"c")


def test_a_missing_pin_file_or_library_says_so(make_key: Make, tmp_path: Path) -> None:
    assert make_key
    with pytest.raises(Locked, match=r"PIN cannot be read.*Next: write the PIN"):
        TokenProvider(MODULE, "tally", "master", tmp_path / "none").wrap(KEY, b"c")
    (tmp_path / "pin").write_text(PIN)
    with pytest.raises(Locked, match=r"no-such-library\.so"):
        TokenProvider("/no-such-library.so", "tally", "master", tmp_path / "pin").wrap(KEY, b"c")


def test_the_settings_make_the_provider(make_key: Make, tmp_path: Path) -> None:
    assert make_key
    (tmp_path / "pin").write_text(PIN)
    text = f'{{"provider":"pkcs11","module":"{MODULE}","token":"tally","key":"master","pin_file":"{tmp_path}/pin"}}'
    provider = open_provider(tmp_path, text)
    assert provider.unwrap(provider.wrap(KEY, b"c"), b"c") == KEY
