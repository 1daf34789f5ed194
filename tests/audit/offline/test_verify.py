"""Whoever holds the files and the key finds any damage, by file and index, and can prove any leaf."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.audit import offline
from tests.audit.sample import Ticking, denial, intent, log_directory, opened_log, opened_state, outcome

SIZE = 300


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 300 leaves: bundle and tile 0 are complete, 44 leaves are in the incomplete ones."""
    directory = tmp_path_factory.mktemp("log")
    with opened_state(directory) as state:
        opened = opened_log(state)
        opened.append(
            [intent(number) if number % 2 == 0 else outcome(number - 1, number - 1) for number in range(SIZE - 10)]
        )
        opened.publish(Ticking())
        opened.append([denial(number) for number in range(SIZE - 10, SIZE)])
        opened.publish(Ticking())
    return log_directory(directory)


def _files(log: Path) -> list[Path]:
    return [file for file in sorted(log.rglob("*")) if file.is_file() and "journal" not in file.parts]


def _expected_index(log: Path, file: Path, offset: int) -> int | None:
    """Index of the leaf that a byte of a file belongs to; None where no leaf can be named."""
    name = file.relative_to(log).as_posix()
    if name in {"checkpoint", "vkey"} or name.endswith("001.p/34"):
        return None
    first = 256 if "001.p" in name else 0
    if name.startswith("tile/1"):
        return 0
    if name.startswith("tile/0"):
        return first + offset // 32
    at = 0
    content = file.read_bytes()
    while (following := at + 2 + int.from_bytes(content[at : at + 2], "big")) <= offset:
        first, at = first + 1, following
    return first


def _flip_everywhere(log: Path, step: int, *, opaque: bool) -> Iterator[tuple[str, int, offline.Report]]:
    vkey = offline.read_vkey(log)
    for file in _files(log):
        whole = file.read_bytes()
        file.chmod(0o644)
        for offset in range(0, len(whole), step if len(whole) > 500 else 1):
            file.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1 << offset % 8]) + whole[offset + 1 :])
            yield file.relative_to(log).as_posix(), offset, offline.verify_log(log, vkey, opaque=opaque)
            file.write_bytes(whole)


def _check_flips(log: Path, step: int, *, opaque: bool = False) -> None:
    log_before = offline.verify_log(log, offline.read_vkey(log), opaque=opaque)
    assert (log_before.damage, log_before.size) == ((), SIZE)
    seen: set[str] = set()
    for name, offset, report in _flip_everywhere(log, step, opaque=opaque):
        assert not report.ok, (name, offset)
        assert report.damage[0].file == name, (name, offset, report.damage)
        seen.add(name)
    assert {"checkpoint", "vkey", "tile/0/000", "tile/entries/000", "tile/1/000.p/1", "tile/0/001.p/44"} <= seen


def test_a_flipped_byte_is_found_and_its_file_named(log: Path) -> None:
    _check_flips(log, 1009)


@pytest.mark.live
def test_every_flipped_byte_is_found_and_its_file_named(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        opened = opened_log(state)
        for start, stop in ((0, 270), (270, SIZE)):
            opened.append([number.to_bytes(8, "big") for number in range(start, stop)])
            opened.publish(Ticking())
    _check_flips(log_directory(tmp_path), 1, opaque=True)


@pytest.mark.parametrize("name", ["tile/entries/000", "tile/entries/001.p/44", "tile/0/000", "tile/0/001.p/44"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.7])
def test_a_flipped_byte_names_its_leaf(log: Path, name: str, part: float) -> None:
    file, vkey = log / name, offline.read_vkey(log)
    whole = file.read_bytes()
    offset = int(len(whole) * part)
    expected = _expected_index(log, file, offset)
    file.chmod(0o644)
    file.write_bytes(whole[:offset] + bytes([whole[offset] ^ 4]) + whole[offset + 1 :])
    report = offline.verify_log(log, vkey)
    file.write_bytes(whole)
    assert [(damage.file, damage.index) for damage in report.damage][:1] == [(name, expected)]


def test_a_missing_file_is_named(log: Path) -> None:
    for name in ("tile/entries/000", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "checkpoint"):
        moved = (log / name).rename(log / "away")
        report = offline.verify_log(log, offline.read_vkey(log))
        moved.rename(log / name)
        assert report.damage[0].file == name


def test_a_proof_convinces_with_the_key_and_the_leaf_alone(log: Path) -> None:
    vkey = offline.read_vkey(log)
    leaves = dict(offline.read_leaves(log, range(SIZE)))
    for index in (0, 1, 255, 256, SIZE - 1):
        proof = offline.prove(log, index)
        proven = offline.check_proof(proof, vkey, leaves[index])
        assert not isinstance(proven, offline.Damage)
        assert proven.size == SIZE
        assert isinstance(offline.check_proof(proof, vkey, leaves[index] + b" "), offline.Damage)
        assert isinstance(
            offline.check_proof(proof.replace(f"index {index}", "index 7"), vkey, leaves[index]), offline.Damage
        )


def test_a_proof_from_a_log_of_another_key_is_refused(log: Path, tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        opened_log(state)
    other = offline.read_vkey(log_directory(tmp_path))
    found = offline.check_proof(offline.prove(log, 0), other, intent(0))
    assert isinstance(found, offline.Damage)
    assert "not signed by" in found.text


def test_an_outcome_of_another_call_is_damage(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([intent(0), outcome(1, 0), b'{"kind": "intent"}'])
        log.publish(Ticking())
    where = log_directory(tmp_path)
    report = offline.verify_log(where, offline.read_vkey(where))
    assert [(damage.file, damage.index) for damage in report.damage] == [
        ("tile/entries/000.p/3", 1),
        ("tile/entries/000.p/3", 2),
    ]
    assert offline.verify_log(where, offline.read_vkey(where), opaque=True).ok


def test_leaves_past_the_end_are_refused_in_words(log: Path) -> None:
    with pytest.raises(offline.UnreadableError, match="no leaf 300: the log has 300 leaves"):
        list(offline.read_leaves(log, range(300, 301)))
    with pytest.raises(offline.UnreadableError, match="no leaf 300"):
        offline.prove(log, 300)
