"""The fault table: what happens to a log when a write fails, over any real store. Each of `FAULTS` is a test.

After every fault the log is opened again as a new process would: whatever was acknowledged is there, under its index,
with its payload; no index is used twice; and the log goes on.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, Protocol

import pytest

from tallystick.audit.log import Keep, Log, Row, Store, keep_nothing, open_log
from tallystick.audit.log.journal import Tail, read_tail
from tallystick.audit.model import Unwritable
from tallystick.audit.payload import Vault, open_provider, open_vaults
from tallystick.audit.signing import Signers
from tallystick.audit.tlog.tiles import WIDTH, read_tile, unpack
from tests.audit.sample import BANK, NOON, ORIGIN, YEAR, Failing, Ticking, call_of, capture, denial, payload

MORE: Final = 260
"""Leaves of a round: each crosses the edge of a tile."""
CAPTURED: Final = 7
"""Leaves of a round that have payloads."""
HOURS_BACK: Final = 3600.0


class Shelf(Protocol):
    """A record that is open: what a writer process has of it."""

    @property
    def signing(self) -> Signers:
        """The keys."""
        ...

    def logs(self) -> dict[tuple[str, int], str]:
        """Origin of every log by tenant and year."""
        ...

    def store(self, tenant: str, year: int) -> Store:
        """Store of a log."""
        ...

    def create(self, tenant: str, year: int, origin: str, time_us: int) -> None:
        """Create a log."""
        ...


class Ground(Protocol):
    """Where a record is; empty at first."""

    def opened(self) -> AbstractContextManager[Shelf]:
        """Open it as a new process would, with whatever the last one left."""
        ...


class Life:
    """A log over many lives, and what has been acknowledged in them."""

    def __init__(self, ground: Ground, scratch: Path) -> None:
        self._ground = ground
        self._scratch = scratch
        self._number = 0
        self.acknowledged: dict[int, int] = {}
        self.captured: set[int] = set()
        self.writes: list[str] = []

    def round(
        self,
        at: int = -1,
        *,
        stored: bool = False,
        torn: bool = False,
        under: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> bool:
        """Live once with one failing write, or `under` other circumstances; False when there were fewer writes."""
        with self._ground.opened() as shelf:
            vault = self.vault()
            store = Failing(_store(shelf), at, stored=stored, torn=torn, keep=vault.keep)
            log = None
            try:
                with under():
                    log = _opened(shelf, store, store.keep)
                    self.append(log, vault)
                    log.publish(Ticking())
            except Unwritable:
                _is_stopped(log, store)
            self.writes = store.writes
        return at < len(store.writes)

    def append(self, log: Log, vault: Vault, count: int = MORE) -> None:
        """Append leaves of new calls, and note them once they are acknowledged."""
        numbers = range(self._number, self._number + count)
        # Used up whether they are acknowledged or not.
        self._number += count
        sealed = [found for number in numbers[:CAPTURED] for found in vault.seal(denial(number), capture(number), NOON)]
        first = log.append([denial(number) for number in numbers], (), sealed)
        fresh = dict(zip(range(first, first + count), numbers, strict=True))
        assert not fresh.keys() & self.acknowledged.keys(), "no index is used twice"
        self.acknowledged |= fresh
        self.captured.update(range(first, first + min(count, CAPTURED)))

    def settle(self) -> None:
        """Open the log without a fault: everything acknowledged is there, and it goes on."""
        with self._ground.opened() as shelf:
            vault, store = self.vault(), _store(shelf)
            log = _opened(shelf, store, vault.keep)
            assert log.size > max(self.acknowledged, default=-1)
            self.append(log, vault, 1)
            log.publish(Ticking())
            fresh = [index for index in self.acknowledged if index >= log.size - 2 * MORE]
            self._check(store, log.size, vault, fresh)

    def prove(self) -> None:
        """Check every acknowledged leaf and payload there ever was."""
        with self._ground.opened() as shelf:
            vault, store = self.vault(), _store(shelf)
            self._check(store, _opened(shelf, store, vault.keep).size, vault, [*self.acknowledged])

    def _check(self, store: Store, size: int, vault: Vault, indices: list[int]) -> None:
        bundles: dict[int, list[bytes]] = {}
        for index in indices:
            place = index // WIDTH
            if place not in bundles:
                bundles[place] = unpack(read_tile(store.read, None, place, size) or b"")[0]
            assert bundles[place][index % WIDTH] == denial(self.acknowledged[index]), index
        for index in self.captured.intersection(indices):
            number = self.acknowledged[index]
            assert vault.reveal(call_of(number), "args") == payload(number), index

    def vault(self) -> Vault:
        """The payloads as a new process opens them."""
        self._scratch.mkdir(exist_ok=True)
        return open_vaults(self._scratch, open_provider(self._scratch), Ticking()).vault(BANK)


def _store(shelf: Shelf) -> Store:
    if not shelf.logs():
        shelf.create(BANK, YEAR, ORIGIN, int(NOON * 1_000_000) - 1)
    return shelf.store(BANK, YEAR)


def _opened(shelf: Shelf, store: Store, keep: Keep) -> Log:
    return open_log(store, shelf.signing, ORIGIN, BANK, Ticking(), keep)


def _is_stopped(log: Log | None, store: Failing) -> None:
    """A log that could not be written once is never written again."""
    done = len(store.writes)
    if log is not None:
        with pytest.raises(Unwritable, match="stopped"):
            log.append([denial(0)])
        with pytest.raises(Unwritable, match="stopped"):
            log.publish(Ticking())
    assert len(store.writes) == done


def _row(store: Store) -> Row:
    row = store.row()
    assert row is not None
    return row


def each_write_may_fail_stored_or_not(ground: Ground, scratch: Path) -> None:
    life = Life(ground, scratch)
    life.round()
    assert {"journal", "settle", "keep", "swap", "show checkpoint", "forget"} <= set(life.writes)
    assert life.writes.index("keep") < life.writes.index("swap"), "payloads are kept before the checkpoint moves"
    for stored in (False, True):
        at = 0
        while life.round(at, stored=stored):
            life.settle()
            at += 1
    life.prove()


def a_disk_that_is_full_halfway_through_a_write_loses_nothing(ground: Ground, scratch: Path) -> None:
    life = Life(ground, scratch)
    life.round()
    writes = life.writes
    for name in ("journal", "keep"):
        life.round(writes.index(name), torn=True)
        assert life.writes[-1] == name
        life.settle()
    life.prove()


def a_torn_tile_stops_the_log_and_the_journal_still_has_its_leaves(ground: Ground, scratch: Path) -> None:
    life = Life(ground, scratch)
    life.round()
    before = len(life.acknowledged)
    life.round(next(at for at, name in enumerate(life.writes) if name.startswith("put tile/0/")), torn=True)
    with ground.opened() as shelf:
        store = _store(shelf)
        with pytest.raises(Unwritable, match="tile/0/"):
            _opened(shelf, store, life.vault().keep)
        tail = read_tail(store.segments(), before)
    assert isinstance(tail, Tail)
    assert tail.leaves == [denial(number) for index, number in life.acknowledged.items() if index >= before]


def of_two_writers_only_one_moves_the_checkpoint(ground: Ground, scratch: Path) -> None:
    del scratch
    with ground.opened() as shelf:
        one, other = (_opened(shelf, _store(shelf), keep_nothing) for _ in range(2))
        one.append([denial(0)])
        one.publish(Ticking())
        with pytest.raises(Unwritable):
            _append_and_publish(other, 1)
        with pytest.raises(Unwritable):
            other.append([denial(2)])
    with ground.opened() as shelf:
        assert _row(_store(shelf)).body == one.body


def a_checkpoint_that_somebody_else_has_moved_stops_the_writer(ground: Ground, scratch: Path) -> None:
    life = Life(ground, scratch)
    life.round()
    with ground.opened() as shelf:
        store = _store(shelf)
        log = _opened(shelf, store, life.vault().keep)
        row = _row(store)
        # The same tree, signed anew: nothing but the compare-and-swap can tell.
        moved = Row(shelf.signing.sign(log.checkpoint, NOON + 9), row.time_us + 1, row.opened)
        assert store.swap(row.body, moved)
        with pytest.raises(Unwritable, match="another writer, or a restored backup"):
            _append_and_publish(log, 10_000)
        assert _row(store).body == moved.body
    life.settle()
    life.prove()


def _append_and_publish(log: Log, number: int) -> None:
    log.append([denial(number)])
    log.publish(Ticking())


def a_checkpoint_that_was_put_back_is_refused(ground: Ground, scratch: Path) -> None:
    life = Life(ground, scratch)
    life.round()
    with ground.opened() as shelf:
        before = _row(_store(shelf))
    life.round()
    with ground.opened() as shelf:
        store = _store(shelf)
        assert store.swap(_row(store).body, before), "an old backup of the row"
        with pytest.raises(Unwritable, match="restored from a backup"):
            open_log(store, shelf.signing, ORIGIN, BANK, Ticking(), keep_nothing)


def a_clock_that_goes_back_an_hour_moves_no_checkpoint_back(ground: Ground, scratch: Path) -> None:
    del scratch
    clock = Ticking()
    with ground.opened() as shelf:
        store = _store(shelf)
        log = _opened(shelf, store, keep_nothing)
        seen: list[tuple[int, int]] = []
        for number in range(3):
            log.append([denial(number)])
            log.publish(clock)
            seen.append((log.published, _row(store).time_us))
            clock.now -= HOURS_BACK
    assert [size for size, _ in seen] == [1, 2, 3]
    times = [time for _, time in seen]
    assert times == [times[0], times[0] + 1, times[0] + 2]
    assert log.clock_went_back
    # The next life, whose clock is still behind, goes on from there.
    with ground.opened() as shelf:
        store = _store(shelf)
        log = open_log(store, shelf.signing, ORIGIN, BANK, clock, keep_nothing)
        log.append([denial(3)])
        log.publish(clock)
        assert (log.published, _row(store).time_us) == (4, times[0] + 3)


Fault = Callable[[Ground, Path], None]
FAULTS: Final[tuple[Fault, ...]] = (
    each_write_may_fail_stored_or_not,
    a_disk_that_is_full_halfway_through_a_write_loses_nothing,
    a_torn_tile_stops_the_log_and_the_journal_still_has_its_leaves,
    of_two_writers_only_one_moves_the_checkpoint,
    a_checkpoint_that_somebody_else_has_moved_stops_the_writer,
    a_checkpoint_that_was_put_back_is_refused,
    a_clock_that_goes_back_an_hour_moves_no_checkpoint_back,
)
