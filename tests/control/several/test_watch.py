"""Hearing of what was published: in this process at once, from others by a message or by looking."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from threading import Event

import psycopg
import pytest

from tallystick.control import Control, Postgres, Sqlite
from tallystick.control.several.watch import Watch
from tallystick.terms import TallyError
from tests.audit.scale import servers
from tests.control.stage import done, opened, publish, tenant

NEVER = 3600.0
"""Seconds between two looks, where nothing must depend on looking."""


def test_who_waits_in_the_same_process_is_woken(control: Control) -> None:
    control.watch.poll_s = NEVER
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(control.wait, 0, NEVER)
        changed = pool.submit(control.wait_for_change, 0, NEVER)
        done(control, tenant())
        publish(control)
        assert (waiting.result(60), changed.result(60)) == (1, 1)


def test_a_wait_is_over_when_its_time_is(control: Control) -> None:
    assert control.wait(0, 0.01) == 0
    assert control.wait(-1, NEVER) == 0


def test_who_waits_is_let_go_when_control_is_closed() -> None:
    watch, asked = Watch(NEVER), Event()

    def look() -> int:
        asked.set()
        return 0

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(watch.wait, look, 0, NEVER)
        assert asked.wait(60)
        watch.close()
        assert waiting.result(60) == 0


def test_who_waits_hears_of_another_process(place: Sqlite | Postgres) -> None:
    where = place.dsn if isinstance(place, Postgres) else str(place.path)
    with opened(place) as control:
        done(control, tenant())
        first = publish(control)
        if isinstance(place, Postgres):
            # By its message alone.
            control.watch.poll_s = NEVER
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(control.wait, first, 60.0)
            subprocess.run([sys.executable, "-m", "tests.control.editor", where, "1", "1"], check=True)
            assert waiting.result(60) == 2


def test_a_lost_connection_is_made_again_and_what_was_missed_is_found(postgres: servers.Postgres) -> None:
    place = Postgres(postgres.dsn(f"listening_{token_hex(6)}"))
    with opened(place) as control, opened(place, "1") as other, psycopg.connect(place.dsn, autocommit=True) as admin:
        done(control, tenant())
        first = publish(control)
        control.watch.poll_s = NEVER
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(control.wait, first, 60.0)
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%' AND pid <> pg_backend_pid()"
            )
            done(other, tenant("trade"))
            publish(other)
            assert waiting.result(60) == 2


def test_a_database_that_was_away_is_used_again(postgres: servers.Postgres) -> None:
    place = Postgres(postgres.dsn(f"away_{token_hex(6)}"))
    with opened(place) as control, psycopg.connect(place.dsn, autocommit=True) as admin:
        done(control, tenant())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert control.head() == 1
        done(control, tenant("trade"))


@pytest.mark.parametrize("dsn", ["host=127.0.0.1 port=1 dbname=none connect_timeout=2"])
def test_a_database_that_is_not_there_is_told_without_a_password(dsn: str) -> None:
    with pytest.raises(TallyError) as told, opened(Postgres(f"{dsn} password=canary")):
        pass
    assert (told.value.code, "canary" in told.value.message) == ("unavailable", False)
