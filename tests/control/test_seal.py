"""Sealed secrets: only here, only under their name, only whole."""

from pathlib import Path

import pytest

from tallystick.control import Sqlite, open_control
from tallystick.control.model import Put
from tallystick.control.seal import Seal
from tallystick.terms import TallyError
from tests.control.stage import RETAIL, Ticks, done, judge, numbered, opened, tenant

NONCE = b"n" * 12


def test_a_sealed_value_opens_under_its_own_name_only() -> None:
    seal = Seal(b"k" * 32)
    sealed = seal.seal("token", b"value", NONCE)
    assert (seal.open("token", sealed), b"value" in sealed) == (b"value", False)
    for name, other, keeper in (
        ("other", sealed, seal),
        ("token", sealed[:-1] + bytes([sealed[-1] ^ 1]), seal),
        ("token", sealed[:5], seal),
        ("token", sealed, Seal(b"j" * 32)),
    ):
        with pytest.raises(TallyError) as told:
            keeper.open(name, other)
        assert told.value.code == "unavailable"


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(b"short")


def test_no_file_of_the_database_holds_a_value_in_clear(tmp_path: Path) -> None:
    canary = "canary-of-the-secrets"
    with opened(Sqlite(tmp_path / "control.db")) as control:
        done(control, tenant(), Put("Secret", "s", RETAIL, {"value": canary}))
        for file in tmp_path.iterdir():
            assert canary.encode() not in file.read_bytes(), file.name
            assert file.stat().st_mode & 0o077 == 0, file.name


def test_another_key_opens_the_state_and_none_of_its_secrets(tmp_path: Path) -> None:
    place = Sqlite(tmp_path / "control.db")
    with opened(place) as control:
        done(control, tenant(), Put("Secret", "s", RETAIL, {"value": "v"}))
    with open_control(place, b"j" * 32, Ticks(), numbered("1"), judge()) as control:
        assert control.head() == 1
        with pytest.raises(TallyError, match="sealed with another key"):
            control.secret("s")
