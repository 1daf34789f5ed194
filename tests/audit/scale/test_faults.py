"""Each write of a round fails, stored or not: on the wire to the real servers, and at the door of the store."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick.audit.log.log import open_log
from tallystick.audit.model import Unwritable
from tests.audit.sample import BANK, ORIGIN, YEAR, Failing, Ticking, denial
from tests.audit.scale.place import Place, opened_log
from tests.audit.scale.test_store import mirrored, report_of
from tests.audit.scale.wire import How, Wire, wire

START = 250
MORE = 10
COMMITS = (b"INSERT INTO journal", b"UPDATE log SET body", b"DELETE FROM journal")
OBJECTS = (b"/tile/entries/000", b"/tile/0/000", b"/tile/0/001.p/4", b"/tile/1/000.p/1", b"/checkpoint")


@contextmanager
def _wired(place: Place) -> Generator[tuple[Place, Wire, Wire]]:
    """The place behind two wires."""
    seaweed = int(place.options.endpoint.rpartition(":")[2])
    with wire(place.postgres.port) as database, wire(seaweed) as objects:
        dsn = place.directory / "dsn-wired"
        text = Path(place.options.dsn_file).read_text()
        dsn.write_text(text.replace(f"port={place.postgres.port}", f"port={database.port}"))
        yield place.change(dsn_file=str(dsn), endpoint=f"http://127.0.0.1:{objects.port}"), database, objects


def _filled(place: Place) -> None:
    with place.opened() as state:
        log = opened_log(state)
        log.append([denial(number) for number in range(START)])
        log.publish(Ticking())


def _sound(place: Place, acknowledged: int, copy: Path) -> None:
    """Nothing acknowledged is lost, no index is used twice, and the log goes on and verifies."""
    with place.opened() as state:
        log = opened_log(state)
        size = log.size
        assert size >= acknowledged
        assert log.append([denial(999)]) == size
        log.publish(Ticking())
    mirrored(place, copy)
    report = report_of(copy)
    assert (report.damage, report.size) == ((), size + 1)


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("what", COMMITS, ids=bytes.decode)
def test_a_connection_that_is_lost_in_a_commit_is_made_again_and_the_database_asked(
    place: Place, tmp_path: Path, what: bytes, how: How
) -> None:
    _filled(place)
    with _wired(place) as (wired, database, _):
        with wired.opened() as state:
            log = opened_log(state)
            assert log.append([denial(START)]) == START
            database.cut(how, what)
            assert log.append([denial(START + 1)]) == START + 1
            log.publish(Ticking())
            assert log.append([denial(START + 2)]) == START + 2
        assert database.cuts == 1
    _sound(place, START + 3, tmp_path / "copy")


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_commit_of_which_nobody_can_tell_stops_the_writer_and_is_found_again(
    place: Place, tmp_path: Path, how: How
) -> None:
    _filled(place)
    with _wired(place.change(reconnect_s=0.0)) as (wired, database, _):
        with wired.opened() as state:
            log = opened_log(state)
            database.cut(how, COMMITS[0])
            with pytest.raises(Unwritable, match="the journal cannot be written"):
                log.append([denial(START)])
        assert database.cuts == 1
    _sound(place, START + (how == "after"), tmp_path / "copy")


@pytest.mark.parametrize("how", ["before", "after", "busy"])
@pytest.mark.parametrize("what", OBJECTS, ids=bytes.decode)
def test_a_put_that_fails_is_read_back_and_done_again(place: Place, tmp_path: Path, what: bytes, how: How) -> None:
    _filled(place)
    with _wired(place) as (wired, _, objects):
        with wired.opened() as state:
            log = opened_log(state)
            log.append([denial(number) for number in range(START, START + MORE)])
            objects.cut(how, what)
            assert log.publish(Ticking())
        assert objects.cuts == 1
    _sound(place, START + MORE, tmp_path / "copy")


def test_each_write_may_fail_at_the_door_and_nothing_acknowledged_is_lost(place: Place, tmp_path: Path) -> None:
    def attempt(at: int, *, stored: bool) -> tuple[int, list[str]]:
        """A round whose n-th write fails; how many leaves were acknowledged."""
        with place.opened() as state:
            opened_log(state)
            store = Failing(state.store(BANK, YEAR), at, stored=stored)
            acknowledged = 0
            try:
                log = open_log(store, state.signing, ORIGIN, BANK, Ticking())
                acknowledged = log.append([denial(number) for number in range(MORE)]) + MORE
                log.publish(Ticking())
            except Unwritable:
                pass
            return acknowledged, store.writes

    _filled(place)
    _, writes = attempt(-1, stored=False)
    assert {"journal", "settle", "swap", "show checkpoint", "forget"} <= set(writes)
    acknowledged = START + MORE
    for at, name in enumerate(writes):
        for stored in (False, True):
            reached, _ = attempt(at, stored=stored)
            acknowledged = max(acknowledged, reached)
            with place.opened() as state:
                assert opened_log(state).size >= acknowledged, (name, stored)
    _sound(place, acknowledged, tmp_path / "copy")
