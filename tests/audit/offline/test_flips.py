"""Any byte that is changed, in any file of a log, is found, and the file and the leaf are named."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tallystick.audit import offline
from tallystick.audit.log.files import State
from tallystick.audit.model import Unwritable
from tests.audit.offline.flips import MemoryFiles, expected_index, files_of, flips, real_leaf, short_leaf, write_log
from tests.audit.sample import Ticking, intent, opened_log, opened_state

SAMPLES = 40
"""Bytes of each file that are tried where not all of them are."""
EVERY = {"checkpoint", "vkey", "tile/entries/000", "tile/0/000", "tile/1/000.p/1", "tile/0/001.p/44"}


def _sampled(whole: bytes) -> int:
    return max(1, len(whole) // SAMPLES - len(whole) % 3)


def _all(_: bytes) -> int:
    return 1


def _check(content: Mapping[str, bytes], step: Callable[[bytes], int], *, opaque: bool) -> None:
    vkey = content["vkey"].decode()
    assert offline.verify_log(MemoryFiles(content), vkey, opaque=opaque).ok
    seen: set[str] = set()
    for path, offset, changed in flips(content, step):
        report = offline.verify_log(MemoryFiles(content, {path: changed}), vkey, opaque=opaque)
        named = [(damage.file, damage.index) for damage in report.damage[:1]]
        assert named == [(path, expected_index(content, path, offset))], (path, offset, report)
        seen.add(path)
    assert seen >= EVERY


def test_flipped_bytes_are_found_and_file_and_leaf_named(tmp_path: Path) -> None:
    _check(files_of(write_log(tmp_path, real_leaf)), _sampled, opaque=False)


@pytest.mark.live
def test_every_flipped_byte_is_found_and_file_and_leaf_named(tmp_path: Path) -> None:
    _check(files_of(write_log(tmp_path, short_leaf)), _all, opaque=True)


@pytest.mark.live
def test_every_eleventh_byte_of_real_leaves_is_found(tmp_path: Path) -> None:
    _check(files_of(write_log(tmp_path, real_leaf)), lambda _: 11, opaque=False)


@pytest.mark.parametrize("column", ["body", "time_us", "opened"])
def test_a_flipped_byte_of_the_row_in_the_database_stops_the_writer(tmp_path: Path, column: str) -> None:
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([intent(0)])
        log.publish(Ticking())
    with closing(sqlite3.connect(tmp_path / "audit.sqlite", isolation_level=None)) as database:
        (held,) = database.execute(f"SELECT {column} FROM log").fetchone()  # noqa: S608 - one of three names
        whole = str(held).encode()
        for offset in range(0, len(whole), max(1, len(whole) // SAMPLES)):
            changed = whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :]
            value: object = changed.decode(errors="replace")
            if column == "time_us":
                value = int(changed) if changed.isdigit() else held + offset + 1
            database.execute(f"UPDATE log SET {column} = ?", (value,))  # noqa: S608 - one of three names
            with pytest.raises(Unwritable), closing(State(tmp_path, initialize=False)) as state:
                opened_log(state)
