"""What every `Store` of a log must do, whatever it is made of: each of `PROMISES` takes a shelf and is a test."""

from contextlib import AbstractContextManager
from typing import Final, Protocol

import pytest

from tallystick.audit.log.journal import Tail, frame, read_tail
from tallystick.audit.log.log import Row, Store
from tallystick.audit.model import Sealed

ROOM = 1 << 16
PAYLOADS = (Sealed("short", bytes(range(256)) * 40), Sealed("seven-years", bytes(2000)))


class Shelf(Protocol):
    """The store of one log, which is made empty at the first opening."""

    def opened(self) -> AbstractContextManager[Store]:
        """Open it as a new process would."""
        ...


def leaves(first: int, count: int) -> list[bytes]:
    """Leaves that differ."""
    return [f'{{"leaf":{at}}}'.encode() for at in range(first, first + count)]


def tail_of(store: Store, size: int) -> Tail:
    """What the journal holds past a size."""
    found = read_tail(store.segments(), size)
    assert isinstance(found, Tail), found
    return found


def row_of(store: Store) -> Row:
    """The trusted state."""
    row = store.row()
    assert row is not None
    return row


def what_was_put_and_settled_is_read_by_the_next_process(shelf: Shelf) -> None:
    with shelf.opened() as store:
        store.put("tile/0/000.p/3", b"\0" * 96)
        store.put("tile/entries/x001/234", bytes(range(256)))
        store.settle()
        assert store.read("tile/0/000.p/3") == b"\0" * 96
    with shelf.opened() as store:
        assert store.read("tile/0/000.p/3") == b"\0" * 96
        assert store.read("tile/entries/x001/234") == bytes(range(256))
        assert store.read("tile/0/001") is None


def a_file_is_put_again_only_as_it_is(shelf: Shelf) -> None:
    with shelf.opened() as store:
        store.put("tile/0/000", b"a" * 8192)
        store.settle()
    with shelf.opened() as store:
        store.put("tile/0/000", b"a" * 8192)
        store.settle()
        with pytest.raises(FileExistsError, match="tile/0/000"):
            _put_and_settle(store, "tile/0/000", b"b" * 8192)
    with shelf.opened() as store:
        assert store.read("tile/0/000") == b"a" * 8192


def what_is_shown_is_replaced_by_name(shelf: Shelf) -> None:
    with shelf.opened() as store:
        store.show("origin\n1\nx\n")
        store.show("origin\n1\ncosigned\n", "cosigned")
        store.show("origin\n2\ny\n")
        assert store.read("checkpoint") == b"origin\n2\ny\n"
    with shelf.opened() as store:
        assert store.read("checkpoint") == b"origin\n2\ny\n"
        assert store.read("cosigned") == b"origin\n1\ncosigned\n"
        store.show("origin\n3\nz\n")
        store.show("a key\n", "vkey")
        store.show("a key\nanother key\n", "vkey")
    with shelf.opened() as store:
        assert (store.read("checkpoint"), store.read("vkey")) == (b"origin\n3\nz\n", b"a key\nanother key\n")


def a_new_log_has_an_empty_journal_and_a_row(shelf: Shelf) -> None:
    with shelf.opened() as store:
        assert tail_of(store, 0) == Tail([], None)
        row = row_of(store)
        assert (row.body.split("\n")[1], row.opened) == ("0", {})


def batches_and_their_payloads_are_read_in_their_order(shelf: Shelf) -> None:
    with shelf.opened() as store:
        store.rotate(0, ROOM)
        store.journal(frame(0, leaves(0, 2)))
        store.journal(frame(2, leaves(2, 3), PAYLOADS))
        store.journal(frame(5, leaves(5, 1)))
    with shelf.opened() as store:
        assert tail_of(store, 0) == Tail(leaves(0, 6), None, PAYLOADS)
        assert tail_of(store, 4) == Tail(leaves(4, 2), None, PAYLOADS)
        assert tail_of(store, 5) == Tail(leaves(5, 1), None)
        assert tail_of(store, 6) == Tail([], None)


def a_journal_goes_on_in_another_segment_and_another_process(shelf: Shelf) -> None:
    with shelf.opened() as store:
        store.rotate(0, ROOM)
        store.journal(frame(0, leaves(0, 3)))
        store.prepare(4 * ROOM)
        store.rotate(3, 4 * ROOM)
        store.journal(frame(3, leaves(3, 3), [Sealed("short", b"\0" * 3 * ROOM)]))
    with shelf.opened() as store:
        store.rotate(6, ROOM)
        store.journal(frame(6, leaves(6, 1)))
    with shelf.opened() as store:
        assert tail_of(store, 0).leaves == leaves(0, 7)


def a_segment_that_was_started_and_left_empty_is_started_again(shelf: Shelf) -> None:
    for _ in range(2):
        with shelf.opened() as store:
            store.rotate(0, ROOM)
    with shelf.opened() as store:
        store.rotate(0, ROOM)
        store.journal(frame(0, leaves(0, 1)))
    with shelf.opened() as store:
        assert tail_of(store, 0).leaves == leaves(0, 1)


def what_is_forgotten_is_only_what_tiles_replace(shelf: Shelf) -> None:
    with shelf.opened() as store:
        store.rotate(0, ROOM)
        store.journal(frame(0, leaves(0, 250)))
        store.rotate(250, ROOM)
        store.journal(frame(250, leaves(250, 10)))
        store.rotate(260, ROOM)
        store.journal(frame(260, leaves(260, 4)))
        for path in ("tile/0/000", "tile/0/001.p/2", "tile/1/000.p/1"):
            store.put(path, path.encode())
        store.settle()
        store.forget(258)
        assert tail_of(store, 258).leaves == leaves(258, 6)
        store.forget(262)
    with shelf.opened() as store:
        assert tail_of(store, 262).leaves == leaves(262, 2)
        for path in ("tile/0/000", "tile/0/001.p/2", "tile/1/000.p/1"):
            assert store.read(path) == path.encode()


def the_trusted_state_is_swapped_against_what_it_was(shelf: Shelf) -> None:
    with shelf.opened() as store:
        old = row_of(store)
        new = Row("origin\n7\nroot\n\nsignature\n", old.time_us + 5, {3: "01J", 5: "01K"})
        assert store.swap(old.body, new)
    with shelf.opened() as store:
        assert store.row() == new
        assert not store.swap(old.body, Row("origin\n8\nother\n", new.time_us + 1, {}))
        assert store.row() == new
        assert store.swap(new.body, Row("origin\n9\nroot\n", new.time_us + 1, {}))


def _put_and_settle(store: Store, path: str, content: bytes) -> None:
    store.put(path, content)
    store.settle()


PROMISES: Final = (
    what_was_put_and_settled_is_read_by_the_next_process,
    a_file_is_put_again_only_as_it_is,
    what_is_shown_is_replaced_by_name,
    a_new_log_has_an_empty_journal_and_a_row,
    batches_and_their_payloads_are_read_in_their_order,
    a_journal_goes_on_in_another_segment_and_another_process,
    a_segment_that_was_started_and_left_empty_is_started_again,
    what_is_forgotten_is_only_what_tiles_replace,
    the_trusted_state_is_swapped_against_what_it_was,
)
