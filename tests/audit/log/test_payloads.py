"""Payloads in the journal: as durable as their leaves, kept before the journal lets go, whatever bytes they are of."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from struct import Struct
from zlib import crc32

import pytest

from tallystick import audit
from tallystick.audit.log import Log, open_log
from tallystick.audit.log import log as log_module
from tallystick.audit.log.files import State
from tallystick.audit.log.journal import Segment, Tail, frame, read_tail
from tallystick.audit.model import Sealed, Unwritable
from tallystick.audit.tlog.tiles import pack
from tests.audit.sample import (
    BANK,
    ORIGIN,
    Failing,
    Ticking,
    denial,
    leaves_of,
    newest_segment,
    opened_state,
    stored,
    verified,
)

FIRST = 7
_OLD = Struct(">4sQIII")


def _ciphertext(size: int) -> bytes:
    """Bytes like those of AES-GCM: any, zeros at the end included, as they may come."""
    return Random(size).randbytes(size - 40) + bytes(40)  # noqa: S311 - the same every time


COMMITS: list[tuple[list[bytes], list[Sealed]]] = [
    ([denial(0)], []),
    ([denial(1), denial(2)], [Sealed("standard", _ciphertext(3000)), Sealed("seven-years", _ciphertext(100))]),
    ([denial(3)], [Sealed("s", _ciphertext(1600))]),
]
LEAVES = [leaf for leaves, _ in COMMITS for leaf in leaves]
SEALED = tuple(record for _, sealed in COMMITS for record in sealed)


def _journal() -> tuple[bytes, list[int]]:
    """A segment's written part, and where each commit ends."""
    content, ends, first = b"", list[int](), FIRST
    for leaves, sealed in COMMITS:
        content += frame(first, leaves, sealed)
        first += len(leaves)
        ends.append(len(content))
    return content, ends


def _read(content: bytes, size: int = FIRST) -> Tail | str:
    return read_tail([Segment(FIRST, content)], size)


def test_payloads_come_back_with_their_leaves() -> None:
    content, _ = _journal()
    assert _read(content + bytes(4096)) == Tail(LEAVES, None, SEALED)


def test_payloads_of_published_leaves_are_not_kept_again() -> None:
    content, _ = _journal()
    assert _read(content, FIRST + 3) == Tail(LEAVES[3:], None, SEALED[2:])
    assert _read(content, FIRST + 4) == Tail([], None)


@pytest.mark.parametrize("zeros", [0, 4096])
def test_a_cut_at_any_byte_keeps_every_commit_before_it_and_nothing_of_the_torn_one(zeros: int) -> None:
    content, ends = _journal()
    for cut in range(ends[-2] + 1, ends[-1]):
        kept = content[:cut] + bytes(zeros + len(content) - cut if zeros else 0)
        assert _read(kept) == Tail(LEAVES[:3], ends[-2], SEALED[:2]), cut


def _sectors(start: int, stop: int) -> Iterator[tuple[int, int]]:
    bounds = [start, *range((start // 512 + 1) * 512, stop, 512), stop]
    return pairwise(bounds)


def test_a_last_commit_that_lacks_a_sector_of_ciphertext_is_cut_off() -> None:
    content, ends = _journal()
    sectors = [*_sectors(ends[-2], ends[-1])]
    assert len(sectors) > 4
    for start, stop in sectors:
        holed = content[:start] + bytes(stop - start) + content[stop:] + bytes(4096)
        assert _read(holed) == Tail(LEAVES[:3], ends[-2], SEALED[:2]), start


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_a_flipped_bit_in_any_byte_is_damage_even_in_the_last_commit(mask: int) -> None:
    content, _ = _journal()
    for at in range(len(content)):
        flipped = bytearray(content + bytes(512))
        flipped[at] ^= mask
        assert "is damaged after leaf" in str(_read(bytes(flipped))), at


def test_a_hole_with_a_commit_behind_it_is_damage() -> None:
    content, ends = _journal()
    for start, stop in _sectors(0, ends[-2]):
        holed = content[:start] + bytes(stop - start) + content[stop:] + bytes(4096)
        assert "is damaged after leaf" in str(_read(holed)), start


def _old_frame(first: int, leaves: Sequence[bytes]) -> bytes:
    """A batch as releases without payloads wrote it."""
    payload = pack(leaves)
    head = b"TJ1\n", first, len(leaves), len(payload)
    return _OLD.pack(*head, crc32(payload, crc32(_OLD.pack(*head, 0)))) + payload


@pytest.mark.parametrize("missing", [0, 1, 300])
def test_a_journal_of_an_earlier_release_is_read_torn_or_not_and_goes_on(tmp_path: Path, missing: int) -> None:
    with opened_state(tmp_path) as state:
        _opened(state, _Kept())
    segment = newest_segment(tmp_path)
    old = _old_frame(0, [denial(0), denial(1)]) + _old_frame(2, [denial(2)])
    segment.write_bytes(old[: len(old) - missing] + bytes(4096))
    whole = 3 if not missing else 2
    with opened_state(tmp_path) as state:
        log = _opened(state, _Kept())
        assert log.append([denial(whole)]) == whole
        log.publish(Ticking())
    assert leaves_of(tmp_path) == [denial(number) for number in range(whole + 1)]


def test_old_and_new_batches_in_one_segment_are_read() -> None:
    content = _old_frame(FIRST, [denial(0)]) + frame(FIRST + 1, [denial(1)], SEALED[:1])
    assert _read(content) == Tail([denial(0), denial(1)], None, SEALED[:1])


class _Kept:
    """A place for payloads that remembers."""

    def __init__(self) -> None:
        self.records: list[Sealed] = []

    def __call__(self, sealed: Sequence[Sealed]) -> None:
        """Keep."""
        self.records += sealed


def _opened(state: State, keep: _Kept) -> Log:
    return open_log(stored(state), state.signing, ORIGIN, BANK, Ticking(), keep)


def test_payloads_that_were_not_kept_before_a_crash_are_kept_after_it(tmp_path: Path) -> None:
    before, after, later = _Kept(), _Kept(), _Kept()
    with opened_state(tmp_path) as state:
        log = _opened(state, before)
        log.append([denial(0)], (), SEALED[:1])
        log.publish(Ticking())
        log.append([denial(1)], (), SEALED[1:])
    assert before.records == [*SEALED[:1]]
    with opened_state(tmp_path) as state:
        _opened(state, after)
    with opened_state(tmp_path) as state:
        _opened(state, later)
    assert (after.records, later.records) == ([*SEALED[1:]], [])


def test_a_payload_larger_than_a_segment_gets_a_segment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "FIRST_SEGMENT_BYTES", 4000)
    monkeypatch.setattr(log_module, "SEGMENT_BYTES", 8000)
    large, kept = Sealed("standard", _ciphertext(100_000)), _Kept()
    with opened_state(tmp_path) as state:
        log = _opened(state, _Kept())
        log.append([denial(0)])
        log.append([denial(1)], (), [large])
        log.append([denial(2)])
    with opened_state(tmp_path) as state:
        assert _opened(state, kept).size == 3
    assert kept.records == [large]
    assert verified(tmp_path).ok


def test_payloads_without_a_place_stop_the_log_before_its_checkpoint_moves(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        log = open_log(Failing(stored(state)), state.signing, ORIGIN, BANK, Ticking())
        log.append([denial(0)], (), SEALED[:1])
        with pytest.raises(Unwritable, match="no store for payloads"):
            log.publish(Ticking())
        assert audit.offline.size_of(newest_segment(tmp_path).parent.parent) == 0


def test_what_waits_to_be_published_is_counted_with_its_payloads(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        log = _opened(state, _Kept())
        log.append([denial(0)], (), SEALED)
        assert log.backlog > sum(len(record) for _, record in SEALED)
        log.publish(Ticking())
        assert log.backlog == 0
