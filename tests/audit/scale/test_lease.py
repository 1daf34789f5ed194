"""One writer per tenant, whatever sleeps, wakes or hurries; only the database's clock and token decide."""

import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tallystick.audit.log.journal import Tail, frame, read_tail
from tallystick.audit.log.log import Row
from tallystick.audit.model import Unwritable
from tallystick.audit.writer.sequence import Refused
from tests.audit.sample import BANK, ORIGIN, YEAR, Ticking, denial
from tests.audit.scale.place import Place, opened_log
from tests.audit.scale.test_store import mirrored, report_of


def _sql(place: Place, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(Path(place.options.dsn_file).read_text(), autocommit=True)) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _let_it_expire(place: Place) -> None:
    _sql(place, "UPDATE lease SET until = clock_timestamp() - interval '1 second'")


@pytest.mark.live
def test_a_second_writer_is_refused_while_the_first_one_lives_and_told_who_that_is(place: Place) -> None:
    # The lease would run out while the second one waits: the first renews it, with nothing to write.
    place = place.change(lease_s=0.9, wait_s=1.5)
    with place.opened() as one, place.opened("b") as other:
        log = opened_log(one)
        with pytest.raises(Unwritable, match=r"the lease of tenant bank is held by .*, process \d+ for another"):
            opened_log(other)
        assert log.append([denial(0)]) == 0


def test_a_tenant_whose_writer_is_another_one_is_refused_at_once_and_the_others_go_on(place: Place) -> None:
    with place.change(wait_s=0.0).opened("b") as standby:
        with place.opened() as one:
            opened_log(one)
            with pytest.raises(Refused, match="the lease of tenant bank is held by"):
                standby.create(BANK, YEAR + 1, ORIGIN, 1)
        standby.create("other", YEAR, ORIGIN.replace("bank", "other"), 1)


def test_whoever_ends_in_order_lets_the_next_one_in_at_once(place: Place) -> None:
    place = place.change(wait_s=0.1)
    with place.opened() as one:
        opened_log(one).append([denial(0)])
    with place.opened("b") as other:
        assert opened_log(other).append([denial(1)]) == 1


def test_the_next_process_on_the_same_state_directory_need_not_wait_for_a_dead_one(place: Place) -> None:
    place = place.change(wait_s=0.1)
    with place.opened() as one:
        opened_log(one).append([denial(0)])
    _sql(place, "UPDATE lease SET until = clock_timestamp() + interval '1 hour'")
    with place.opened() as again:
        assert opened_log(again).append([denial(1)]) == 1


def test_a_writer_that_was_replaced_writes_nothing_any_more(place: Place, tmp_path: Path) -> None:
    with place.opened() as one, place.opened("b") as other:
        stale = opened_log(one)
        stale.append([denial(0)])
        _let_it_expire(place)
        log = opened_log(other)
        assert log.size == 1
        log.append([denial(1)])
        with pytest.raises(Unwritable, match="the lease is lost: another writer has taken over"):
            stale.append([denial(99)])
        with pytest.raises(Unwritable, match="the lease is lost"):
            stale.append([denial(99)])
        log.publish(Ticking())
    mirrored(place, tmp_path / "copy")
    assert report_of(tmp_path / "copy").size == 2
    assert _sql(place, "SELECT token FROM lease") == [(2,)]


def test_a_writer_that_was_replaced_moves_no_checkpoint_and_shows_none(place: Place) -> None:
    with place.opened() as one, place.opened("b") as other:
        opened_log(one)
        stale = one.store(BANK, YEAR)
        old = stale.row()
        assert old is not None
        shown = stale.read("checkpoint")
        assert shown is not None
        _let_it_expire(place)
        log = opened_log(other)
        assert not stale.swap(old.body, Row("origin\n9\nroot\n", old.time_us + 1, {}))
        log.append([denial(0)])
        log.publish(Ticking())
        # It was stopped between its swap and this, and wakes now: what it shows is older than what is there.
        with pytest.raises(OSError, match="a newer checkpoint is shown"):
            stale.show(shown.decode())
        # It forgets nothing either that the journal still needs.
        assert log.append([denial(1)]) == 1
        stale.forget(2)
        assert read_tail(other.store(BANK, YEAR).segments(), 1) == Tail([denial(1)], None)


def test_a_take_over_waits_for_the_commit_that_is_under_way_and_finds_it(place: Place) -> None:
    with place.opened() as one, place.opened("b") as other:
        opened_log(one)
        store = one.store(BANK, YEAR)
        _let_it_expire(place)
        token = int(str(_sql(place, "SELECT token FROM lease")[0][0]))
        with closing(psycopg.connect(Path(place.options.dsn_file).read_text())) as slow:
            # The first half of a commit by hand: its lock on the lease is held until the end of the transaction.
            slow.execute("SELECT FROM lease WHERE tenant = %s AND token = %s FOR SHARE", (BANK, token))
            took: list[int] = []
            successor = threading.Thread(target=lambda: took.append(opened_log(other).size))
            successor.start()
            slow.execute("UPDATE head SET appended = 1")
            batch = frame(0, [denial(0)])
            slow.execute("INSERT INTO journal VALUES (%s, 0, 1, %b)", (f"{BANK}/{YEAR}", batch))
            successor.join(0.5)
            assert not took
            slow.commit()
            successor.join()
        assert took == [1]
        with pytest.raises(OSError, match="the lease is lost"):
            store.journal(frame(1, [denial(1)]))


def test_a_commit_that_waits_behind_a_take_over_is_refused(place: Place) -> None:
    with place.opened() as one:
        log = opened_log(one)
        with closing(psycopg.connect(Path(place.options.dsn_file).read_text())) as successor:
            successor.execute("UPDATE lease SET token = token + 1, holder = 'another'")
            failures: list[str] = []

            def write() -> None:
                try:
                    log.append([denial(0)])
                except Unwritable as error:
                    failures.append(error.message)

            writing = threading.Thread(target=write)
            writing.start()
            writing.join(0.3)
            assert writing.is_alive()
            successor.commit()
            writing.join()
        assert "the lease is lost" in failures[0]
