"""The signing keys of a state directory: made, upgraded, replaced with overlap, whatever is cut short."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.audit.signing import KeyChange, KeyChangeError, Signers, load_signers
from tallystick.audit.tlog.message import ED25519, ML_DSA_44
from tallystick.audit.tlog.note import (
    Checkpoint,
    NotSignedError,
    open_checkpoint,
    parse_vkeys,
    read_note,
    sign_checkpoint,
    signed_by,
)

ORIGIN = "bank.example/acme/2026"
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)))
STEPS = frozenset({"open", "os.rename", "os.remove"})


def signing_kinds(signers: Signers) -> list[int]:
    """Types of the signatures under a checkpoint, all of which have to fit."""
    note = read_note(signers.sign(CHECKPOINT, 1_790_000_000))
    found = signed_by(note, signers.verifiers(ORIGIN))
    assert len(found) == len(note.signatures) == len(signers.verifiers(ORIGIN))
    return [one.verifier.kind for one in found]


def rotate(state: Path) -> None:
    """Begin a rotation and end it, as a writer does that has logs to write leaves into."""
    signers = load_signers(state, initialize=False)
    for begin in (signers.begin_rotation, signers.end_rotation):
        begin()
        signers.settle()


def test_a_new_state_directory_signs_with_both_algorithms(tmp_path: Path) -> None:
    signers = load_signers(tmp_path, initialize=True)
    assert signing_kinds(signers) == [ED25519, ML_DSA_44]
    assert signers.unfinished() is None
    again = load_signers(tmp_path, initialize=False)
    assert again.vkeys(ORIGIN) == signers.vkeys(ORIGIN)
    assert parse_vkeys(signers.vkeys(ORIGIN)) == signers.verifiers(ORIGIN)
    for file in (tmp_path / "keys").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_a_state_directory_without_keys_is_not_given_any_unasked(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="audit-ed25519 is gone"):
        load_signers(tmp_path, initialize=False)
    assert not (tmp_path / "keys").exists()


def test_an_older_state_directory_goes_on_with_its_key_until_a_leaf_has_introduced_the_second(tmp_path: Path) -> None:
    old = Ed25519PrivateKey.generate()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "audit-ed25519").write_bytes(old.private_bytes_raw())
    assert signing_kinds(load_signers(tmp_path, initialize=False)) == [ED25519]
    # A second start finds the key that the first one has made.
    signers = load_signers(tmp_path, initialize=False)
    assert signing_kinds(signers) == [ED25519]
    change = signers.unfinished()
    assert change is not None
    assert change.action == "introduced"
    assert [key.kind for key in change.keys] == [ML_DSA_44]
    assert signers.open(sign_checkpoint(CHECKPOINT, old), ORIGIN) == CHECKPOINT
    signers.settle()
    assert signing_kinds(signers) == [ED25519, ML_DSA_44]
    assert load_signers(tmp_path, initialize=False).unfinished() is None


def test_keys_are_replaced_with_overlap_and_the_old_ones_destroyed(tmp_path: Path) -> None:
    signers = load_signers(tmp_path, initialize=True)
    first = signers.verifiers(ORIGIN)
    introduced = signers.begin_rotation()
    assert signers.verifiers(ORIGIN) == first, "a new key signs nothing before it is introduced"
    signers.settle()
    both = signers.sign(CHECKPOINT, 5)
    second = signers.verifiers(ORIGIN)[2:]
    assert open_checkpoint(both, [*first, *second], every=True) == CHECKPOINT
    assert introduced.fields(ORIGIN) == {
        "purpose": "checkpoint",
        "action": "introduced",
        "keys": [verifier.vkey for verifier in second],
    }
    retired = signers.end_rotation()
    assert retired.fields(ORIGIN)["keys"] == [verifier.vkey for verifier in first]
    assert open_checkpoint(signers.sign(CHECKPOINT, 6), [*first, *second], every=True) == CHECKPOINT
    signers.settle()
    alone = signers.sign(CHECKPOINT, 7)
    assert open_checkpoint(alone, second, every=True) == CHECKPOINT
    with pytest.raises(NotSignedError):
        open_checkpoint(alone, first)
    assert signers.vkeys(ORIGIN) == "".join(f"{verifier.vkey}\n" for verifier in second)
    files = {file.name for file in (tmp_path / "keys").iterdir()}
    assert files == {"signing.json", "audit-ed25519.2", "audit-mldsa44.2"}


def test_what_retired_keys_have_signed_can_still_be_opened_here(tmp_path: Path) -> None:
    before = load_signers(tmp_path, initialize=True).sign(CHECKPOINT, 5)
    rotate(tmp_path)
    rotate(tmp_path)
    signers = load_signers(tmp_path, initialize=False)
    assert signers.open(before, ORIGIN) == CHECKPOINT
    assert len(signers.verifiers(ORIGIN)) == 2
    assert len(signers.known(ORIGIN)) == 6
    stranger = load_signers(tmp_path / "other", initialize=True)
    with pytest.raises(NotSignedError):
        stranger.open(before, ORIGIN)


def test_the_bytes_of_a_destroyed_key_are_overwritten_where_they_stood(tmp_path: Path) -> None:
    signers = load_signers(tmp_path, initialize=True)
    old = tmp_path / "keys" / "audit-ed25519"
    held = old.open("rb")  # the same file, whatever its name
    secret = old.read_bytes()
    rotate(tmp_path)
    with held:
        assert held.read() == bytes(32) != secret
    assert signers.vkeys(ORIGIN)


def test_one_change_at_a_time(tmp_path: Path) -> None:
    signers = load_signers(tmp_path, initialize=True)
    with pytest.raises(KeyChangeError, match="no rotation has begun"):
        signers.end_rotation()
    signers.begin_rotation()
    for change in (signers.begin_rotation, signers.end_rotation):
        with pytest.raises(KeyChangeError, match="under way"):
            change()
    signers.settle()
    with pytest.raises(KeyChangeError, match="has not ended"):
        signers.begin_rotation()


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("audit-ed25519", b"short", "audit-ed25519 is damaged"),
        ("audit-mldsa44", b"", "audit-mldsa44 is damaged"),
        ("audit-mldsa44", None, "audit-mldsa44 is gone"),
        ("signing.json", b"{", r"signing\.json is damaged"),
        ("signing.json", b'{"current": []}', "no key that signs"),
        ("signing.json", b'{"current": ["../../etc/passwd"]}', "names no signing key"),
        ("signing.json", b'{"current": ["audit-ed25519"], "more": 1}', r"signing\.json is damaged"),
        (
            "signing.json",
            b'{"current": ["audit-ed25519"], "retired": [{"file": "audit-ed25519.9", "key": ""}]}',
            r"signing\.json is damaged",
        ),
    ],
)
def test_a_damaged_or_missing_key_is_never_replaced(tmp_path: Path, file: str, content: bytes | None, why: str) -> None:
    load_signers(tmp_path, initialize=True)
    path = tmp_path / "keys" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    before = sorted((tmp_path / "keys").iterdir())
    for initialize in (False, True):
        with pytest.raises((OSError, ValueError), match=why):
            load_signers(tmp_path, initialize=initialize)
    assert sorted((tmp_path / "keys").iterdir()) == before


def dies_at(step: int, act: Callable[[], object]) -> bool:
    """Run `act` in a process of its own that ends right before its `step`-th opening, renaming or removing of a file.

    Returns whether it came to that.
    """
    child = os.fork()
    if not child:
        left = step

        def look(event: str, _: object) -> None:
            nonlocal left
            if event in STEPS:
                left -= 1
                if left < 0:
                    os._exit(9)

        sys.addaudithook(look)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def finish(state: Path) -> Signers:
    """Start again after a crash, as a writer does: leaves for what is unfinished, then settle it."""
    signers = load_signers(state, initialize=True)
    if signers.unfinished() is not None:
        signers.settle()
    return signers


@pytest.mark.parametrize("half", ["make", "begin", "settle-begun", "end", "settle-ended"])
def test_a_crash_at_any_step_loses_no_key_that_has_signed_and_the_change_goes_on(tmp_path: Path, half: str) -> None:
    def act() -> object:
        signers = load_signers(state, initialize=True)
        if half in {"make", "begin", "end"}:
            return signers.begin_rotation() if half == "begin" else half == "make" or signers.end_rotation()
        return signers.settle()

    for step in range(200):
        state = tmp_path / str(step)
        signed = prepare(state, half)
        crashed = dies_at(step, act)
        signers = finish(state)
        for text in signed:
            assert signers.open(text, ORIGIN) == CHECKPOINT
        assert signing_kinds(signers) in ([ED25519, ML_DSA_44], [ED25519, ML_DSA_44] * 2)
        if half == "settle-ended":
            assert key_files(state) == {"audit-ed25519.2", "audit-mldsa44.2"}, "a retired key is left"
        assert_a_whole_rotation_still_works(state, signers)
        if not crashed:
            assert step > 3
            return
    pytest.fail("it never came to its end")


def key_files(state: Path) -> set[str]:
    """Names of the files that hold keys."""
    names = {file.name for file in (state / "keys").iterdir() if file.name.startswith("audit-")}
    return {name for name in names if not name.endswith(".new")}


def prepare(state: Path, half: str) -> list[str]:
    """A state directory right before one half of a change; returns what its keys have signed."""
    if half == "make":
        return []
    signers = load_signers(state, initialize=True)
    signed = [signers.sign(CHECKPOINT, 1)]
    steps: dict[str, list[Callable[[], KeyChange | None]]] = {
        "begin": [],
        "settle-begun": [signers.begin_rotation],
        "end": [signers.begin_rotation, signers.settle],
        "settle-ended": [signers.begin_rotation, signers.settle, signers.end_rotation],
    }
    for step in steps[half]:
        step()
        signed.append(signers.sign(CHECKPOINT, 2))
    return signed


def assert_a_whole_rotation_still_works(state: Path, signers: Signers) -> None:
    if len(signers.verifiers(ORIGIN)) == 2:
        signers.begin_rotation()
        signers.settle()
    signers.end_rotation()
    signers.settle()
    assert len(key_files(state)) == 2
    assert signing_kinds(load_signers(state, initialize=False)) == [ED25519, ML_DSA_44]
