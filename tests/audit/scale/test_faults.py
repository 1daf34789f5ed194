"""Each write of a round fails, stored or not: on the wire to the real servers, and at the door of the store."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick.audit.model import Unwritable
from tests.audit.sample import Ticking, denial
from tests.audit.scale.place import Place, opened_log
from tests.audit.scale.test_store import mirrored, report_of
from tests.audit.scale.wire import How, Wire, wire

START = 250
MORE = 10
APPEND = b"INSERT INTO journal"
COMMITS = (
    APPEND,
    *(pytest.param(what, marks=pytest.mark.live) for what in (b"UPDATE log SET body", b"DELETE FROM journal")),
)
OBJECTS = (
    b"/tile/entries/000",
    *(
        pytest.param(what, marks=pytest.mark.live)
        for what in (b"/tile/0/000", b"/tile/0/001.p/4", b"/tile/1/000.p/1", b"/checkpoint")
    ),
)


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
@pytest.mark.parametrize("what", COMMITS, ids=lambda what: what.decode())
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


@pytest.mark.live
@pytest.mark.parametrize("how", ["before", "after"])
def test_a_commit_of_which_nobody_can_tell_stops_the_writer_and_is_found_again(
    place: Place, tmp_path: Path, how: How
) -> None:
    _filled(place)
    with _wired(place.change(reconnect_s=0.0)) as (wired, database, _):
        with wired.opened() as state:
            log = opened_log(state)
            database.cut(how, APPEND)
            with pytest.raises(Unwritable, match="the journal cannot be written"):
                log.append([denial(START)])
        assert database.cuts == 1
    _sound(place, START + (how == "after"), tmp_path / "copy")


@pytest.mark.parametrize("how", ["before", "after", pytest.param("busy", marks=pytest.mark.live)])
@pytest.mark.parametrize("what", OBJECTS, ids=lambda what: what.decode())
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
