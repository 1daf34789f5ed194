"""The journal after a crash: what was acknowledged is there, a torn commit is cut off, anything else is refused."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tallystick import audit
from tallystick.audit.log import log as log_module
from tallystick.audit.log.files import DirectoryStore
from tallystick.audit.log.journal import Segment, Tail, frame, read_tail
from tests.audit.sample import (
    Ticking,
    denial,
    leaves_of,
    newest_segment,
    opened_log,
    opened_state,
    stored,
    verified,
)

FIRST = 7
COMMITS = [[denial(0)], [denial(1), denial(2), denial(3)], [denial(4)], [denial(5), denial(6)]]
"""The last two reach over several sectors of 512 bytes."""
LEAVES = [leaf for commit in COMMITS for leaf in commit]


def _journal() -> tuple[bytes, list[int]]:
    """A segment's written part, and where each commit ends."""
    content, ends, first = b"", list[int](), FIRST
    for leaves in COMMITS:
        content += frame(first, leaves)
        first += len(leaves)
        ends.append(len(content))
    return content, ends


def _whole_before(cut: int) -> list[bytes]:
    """Leaves of the commits that a cut leaves whole."""
    _, ends = _journal()
    return [leaf for leaves, end in zip(COMMITS, ends, strict=True) if end <= cut for leaf in leaves]


def _read(content: bytes) -> Tail | str:
    return read_tail([Segment(FIRST, content)], FIRST)


@pytest.mark.parametrize("zeros", [0, 1, 511, 4096])
def test_zeros_behind_the_last_commit_are_the_end(zeros: int) -> None:
    content, _ = _journal()
    assert _read(content + bytes(zeros)) == Tail(LEAVES, None)


def test_an_empty_segment_holds_nothing_written_or_not() -> None:
    assert _read(b"") == _read(bytes(4096)) == Tail([], None)


@pytest.mark.parametrize("zeros", [0, 4096])
def test_a_cut_at_any_byte_keeps_every_commit_before_it_and_nothing_of_the_torn_one(zeros: int) -> None:
    content, ends = _journal()
    for cut in range(len(content) + 1):
        kept = content[:cut] + bytes(zeros + len(content) - cut if zeros else 0)
        torn_at = max(end for end in (0, *ends) if end <= cut)
        # Nothing of a commit is on the disk where the cut leaves only zeros of it: then there is nothing to cut off.
        found = _read(kept)
        assert found == Tail(_whole_before(cut), torn_at if kept[torn_at:].strip(b"\0") else None), cut


def _sectors(start: int, stop: int) -> Iterator[tuple[int, int]]:
    bounds = [start, *range((start // 512 + 1) * 512, stop, 512), stop]
    return pairwise(bounds)


def test_a_last_commit_that_lacks_a_sector_is_cut_off() -> None:
    content, ends = _journal()
    for start, stop in _sectors(ends[-2], ends[-1]):
        holed = content[:start] + bytes(stop - start) + content[stop:] + bytes(4096)
        assert _read(holed) == Tail(_whole_before(ends[-2]), ends[-2]), start


@pytest.mark.parametrize("zeros", [0, 4096])
@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_a_flipped_bit_in_any_byte_is_damage_even_in_the_last_commit(zeros: int, mask: int) -> None:
    content, _ = _journal()
    for at in range(len(content)):
        flipped = bytearray(content + bytes(zeros))
        flipped[at] ^= mask
        assert "is damaged after leaf" in str(_read(bytes(flipped))), at


def test_a_hole_of_zeros_with_leaves_behind_it_is_damage() -> None:
    content, ends = _journal()
    for start, stop in _sectors(0, ends[-2]):
        holed = content[:start] + bytes(stop - start) + content[stop:] + bytes(4096)
        assert "is damaged after leaf" in str(_read(holed)), start


def test_a_commit_whose_sectors_are_there_but_wrong_is_damage() -> None:
    content, ends = _journal()
    swapped = content[: ends[-2]] + content[ends[-2] :].replace(b'"kind":"denial"', b'"kind":"deniaI"', 1)
    assert "is damaged after leaf" in str(_read(swapped + bytes(4096)))


def test_bytes_behind_a_torn_commit_are_damage() -> None:
    content, ends = _journal()
    torn = content[: ends[-1] - 10] + b"x" * 100
    assert "is damaged after leaf" in str(_read(torn + bytes(4096)))


def test_only_the_last_segment_may_be_torn_and_none_may_lack_leaves() -> None:
    content, ends = _journal()
    later = Segment(FIRST + len(LEAVES), frame(FIRST + len(LEAVES), [denial(9)]) + bytes(100))
    whole = Segment(FIRST, content + bytes(4096))
    assert read_tail([whole, later], FIRST) == Tail([*LEAVES, denial(9)], None)
    for damaged in (content[:-5], content[: ends[-2]], content[: ends[-2]] + bytes(4096)):
        assert "is damaged" in str(read_tail([Segment(FIRST, damaged), later], FIRST))
    # A writer that finds a torn commit cuts it off before it goes on, so what goes on behind one is no crash's.
    goes_on = FIRST + len(LEAVES) - len(COMMITS[-1])
    behind = Segment(goes_on, frame(goes_on, [denial(9)]))
    assert "is damaged" in str(read_tail([Segment(FIRST, content[:-5]), behind], FIRST))


def _appended(directory: Path) -> None:
    with opened_state(directory) as state:
        log = opened_log(state)
        for number in range(3):
            log.append([denial(number)])


def test_a_journal_that_was_appended_to_without_preallocation_still_opens(tmp_path: Path) -> None:
    _appended(tmp_path)
    segment = newest_segment(tmp_path)
    segment.write_bytes(segment.read_bytes().rstrip(b"\0"))
    with opened_state(tmp_path) as state:
        assert opened_log(state).append([denial(3)]) == 3
    assert leaves_of(tmp_path) == [denial(number) for number in range(3)]
    assert verified(tmp_path).ok


@pytest.mark.parametrize("missing", [1, 30, 500])
def test_a_log_whose_last_commit_was_torn_goes_on_behind_the_one_before(tmp_path: Path, missing: int) -> None:
    _appended(tmp_path)
    segment = newest_segment(tmp_path)
    content = segment.read_bytes()
    written = len(content.rstrip(b"\0"))
    segment.write_bytes(content[: written - missing] + bytes(len(content) - written + missing))
    for _ in range(2):
        with opened_state(tmp_path) as state:
            assert opened_log(state).size == 2
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        assert log.append([denial(2)]) == 2
        log.publish(Ticking())
    assert leaves_of(tmp_path) == [denial(number) for number in range(3)]
    assert verified(tmp_path).ok


def test_a_flipped_last_commit_is_refused_and_not_cut_off(tmp_path: Path) -> None:
    _appended(tmp_path)
    segment = newest_segment(tmp_path)
    content = bytearray(segment.read_bytes())
    content[len(content.rstrip(b"\0")) - 40] ^= 4
    segment.write_bytes(content)
    with opened_state(tmp_path) as state, pytest.raises(audit.Unwritable, match="journal is damaged after leaf 1"):
        opened_log(state)


def test_the_next_segment_is_filled_before_the_present_one_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SEGMENT_BYTES", 16_000)
    monkeypatch.setattr(log_module, "FIRST_SEGMENT_BYTES", 4000)
    filled: list[int] = []
    real = DirectoryStore.prepare

    def prepare(store: DirectoryStore, size: int) -> None:
        filled.append(size)
        real(store, size)

    monkeypatch.setattr(DirectoryStore, "prepare", prepare)
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        for number in range(100):
            log.append([denial(number)])
            log.publish(Ticking())
        assert filled[:3] == [16_000] * 3
        (segment,) = stored(state).segments()
        assert len(segment.content) == 16_000
    assert leaves_of(tmp_path) == [denial(number) for number in range(100)]


def test_a_commit_larger_than_a_segment_gets_a_segment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "FIRST_SEGMENT_BYTES", 4000)
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([denial(number) for number in range(100)])
        log.append([denial(100)])
    with opened_state(tmp_path) as state:
        assert opened_log(state).size == 101
    assert leaves_of(tmp_path) == [denial(number) for number in range(101)]
