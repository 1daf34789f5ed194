"""Schemas: a fresh database is what migrations make, with the data of every version, while the old release runs."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, inspect, select, text

from tallystick.control import Control, Postgres, Sqlite
from tallystick.control.model import Key
from tallystick.control.store.engine import Database
from tallystick.control.store.tables import COMMITS, HEAD, HISTORY, OUTBOX, RESOURCES
from tallystick.control.store.upgrade import NEWEST, VERSIONS, upgrade, version_of
from tallystick.terms import TallyError
from tests.control.stage import done, opened, publish, server, tenant

RISK = Key("Server", "risk")


def schema(connection: Connection) -> Mapping[str, object]:
    """Tables with columns, keys and indexes, as the database tells them."""
    seen = inspect(connection)
    return {
        table: (
            [
                (column["name"], str(column["type"]), column["nullable"], column.get("default"))
                for column in seen.get_columns(table)
            ],
            seen.get_pk_constraint(table)["constrained_columns"],
            sorted((tuple(key["constrained_columns"]), key["referred_table"]) for key in seen.get_foreign_keys(table)),
            sorted((str(index["name"]), str(index["column_names"])) for index in seen.get_indexes(table)),
        )
        for table in seen.get_table_names()
    }


def write_as(connection: Connection, version: str, revision: int) -> None:
    """Change something as a release with this schema does: only with what it knows."""
    assert version == "0001"
    body = (
        '{"kind":"Tenant","name":"NAME","tenant":"NAME","spec":{"title":"T"},"labels":{},"owner":"","state":"approved",'
        '"version":1,"revision":REVISION,"created":"2026-11-21T10:00:00.000000Z",'
        '"changed":"2026-11-21T10:00:00.000000Z","status":{}}'
    )
    body = body.replace("NAME", f"t{revision}").replace("REVISION", str(revision))
    name = f"t{revision}"
    actor = '{"name":"ada","operator":"ada","caller":null}'
    at = "2026-11-21T10:00:00.000000Z"
    connection.execute(insert(COMMITS).values(revision=revision, at=at, actor=actor, why='"w"'))
    connection.execute(insert(HISTORY).values(kind="Tenant", name=name, revision=revision, previous=0, after=body))
    connection.execute(insert(RESOURCES).values(kind="Tenant", name=name, tenant=name, revision=revision))
    row = {"id": f"0{revision:025d}", "revision": revision, "tenant": name, "topic": "admin", "leaf": b"{}"}
    connection.execute(insert(OUTBOX).values(row))
    connection.execute(text("UPDATE head SET revision = :revision"), {"revision": revision})


@pytest.fixture
def database(place: Sqlite | Postgres) -> Database:
    """A database without any table."""
    return Database(place)


def test_a_fresh_database_has_the_schema_that_migrations_make(
    place: Sqlite | Postgres, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if isinstance(place, Sqlite):
        other: Sqlite | Postgres = Sqlite(tmp_path / "migrated.db")
    else:
        other = Postgres(request.getfixturevalue("postgres").dsn("migrated_beside"))
    fresh, migrated = Database(place), Database(other)
    upgrade(fresh)
    for version in VERSIONS:
        upgrade(migrated, version)
    with fresh.read() as one, migrated.read() as two:
        assert schema(one) == schema(two)
        assert version_of(one) == version_of(two) == NEWEST
    fresh.close()
    migrated.close()


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_the_data_of_every_version_is_there_after_an_upgrade(place: Sqlite | Postgres, version: str) -> None:
    database = Database(place)
    upgrade(database, version)
    with database.write() as connection:
        write_as(connection, version, 1)
    database.close()
    with opened(place) as control:
        found = control.get(Key("Tenant", "t1"))
        assert found is not None
        assert (found.spec, found.version, control.head(), control.published()) == ({"title": "T"}, 1, 1, 0)
        assert [(entry.revision, entry.why, entry.actor.name) for entry in control.history()] == [(1, "w", "ada")]
        # Nobody knows any more whether it was given to the record.
        assert [(row.revision, row.doubtful) for row in control.outbox(10)] == [(1, True)]
        done(control, tenant(), server())
        assert publish(control) == 2


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_the_release_before_reads_and_writes_while_and_after_the_next_one_migrates(
    place: Sqlite | Postgres, version: str
) -> None:
    old = Database(place)
    upgrade(old, version)
    with old.write() as connection:
        write_as(connection, version, 1)
    with opened(place) as control:
        with old.write() as connection:
            write_as(connection, version, 2)
        assert control.all().keys() == {Key("Tenant", "t1"), Key("Tenant", "t2")}
        done(control, tenant(), server())
        with old.read() as connection:
            known = connection.execute(select(RESOURCES.c.name).order_by(RESOURCES.c.name)).scalars().all()
            assert known == ["retail", "risk", "t1", "t2"]
            assert connection.execute(select(HEAD.c.revision)).scalar_one() == 3
        assert [row.doubtful for row in control.outbox(10)] == [True, False, False, False]
    old.close()


def test_an_upgrade_waits_for_nobody_who_only_reads(database: Database) -> None:
    upgrade(database, "0001")
    with database.read() as reading:
        assert version_of(reading) == "0001"
    upgrade(database)
    with database.read() as reading:
        assert version_of(reading) == NEWEST
    database.close()


def test_a_database_of_a_newer_release_is_refused(place: Sqlite | Postgres) -> None:
    database = Database(place)
    upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(TallyError, match="9999") as told, opened(place):
        pass
    assert told.value.code == "unavailable"
    with database.read() as connection:
        assert version_of(connection) == "9999"
    database.close()


def test_a_migration_that_fails_leaves_everything_as_it_was(database: Database) -> None:
    upgrade(database, "0001")
    with database.write() as connection:
        connection.execute(text("CREATE TABLE notes (in_the_way INTEGER)"))
    with pytest.raises(TallyError):
        upgrade(database)
    with database.read() as connection:
        assert version_of(connection) == "0001"
        assert "tried" not in str(schema(connection)["outbox"])
    database.close()


def test_alembic_is_not_imported_where_there_is_nothing_to_migrate(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tallystick.control.store.engine import Database; "
        "from tallystick.control import Sqlite; from tallystick.control.store.upgrade import upgrade; "
        "database = Database(Sqlite(Path(sys.argv[1]))); upgrade(database); upgrade(database); "
        "print('alembic' in sys.modules, 'mako' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "control.db")], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["False", "False"]


def test_many_that_start_at_once_make_one_schema(place: Sqlite | Postgres) -> None:

    def start(number: int) -> int:
        with opened(place, str(number)) as control:
            done(control, tenant(f"t{number}"))
            return control.head()

    with ThreadPoolExecutor(6) as pool:
        heads = sorted(pool.map(start, range(6)))
    assert heads[-1] == 6


def test_what_another_release_wrote_and_this_one_cannot_read_is_an_error_of_its_own(
    control: Control, place: Sqlite | Postgres
) -> None:
    done(control, tenant(), server())
    newer = Database(place)
    with newer.write() as connection:
        connection.execute(text("UPDATE history SET after = replace(after, 'approved', 'blessed')"))
    newer.close()
    with pytest.raises(TallyError, match="cannot read"):
        control.history()
