"""Brings a control database to this release's schema. Alembic is imported only where there is something to migrate."""

from typing import Final

from sqlalchemy import Connection, insert, inspect, text

from tallystick.control.store.engine import Database
from tallystick.control.store.tables import HEAD, SCHEMA
from tallystick.terms import TallyError

VERSIONS: Final = ("0001", "0002")
"""Every schema that was ever released, oldest first. The scripts are in `tallystick.control.migrations`."""
NEWEST: Final = VERSIONS[-1]
_STAMP: Final = "alembic_version"
_LOCK: Final = 0x7A11_C0DE


def upgrade(database: Database, to: str = NEWEST) -> None:
    """Make or migrate the tables; does nothing where they are current. Raises `TallyError`.

    Several processes may start at once: one of them migrates, the others wait for it. Every step is one transaction.
    """
    with database.read() as connection:
        found = version_of(connection)
    if found == to:
        return
    with database.write() as connection:
        if database.is_postgres:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        found = version_of(connection)
        if found is None and to == NEWEST:
            _make(connection)
        elif found != to:
            _check(database, found)
            _migrate(connection, to)


def version_of(connection: Connection) -> str | None:
    """Version of the schema that is there; None where there is none."""
    if not inspect(connection).has_table(_STAMP):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _check(database: Database, found: str | None) -> None:
    if found is not None and found not in VERSIONS:
        message = (
            f"{database.name} has schema {found}, which this release (schema {NEWEST}) does not know: "
            "it was used by a newer one. Start that, or bring back a backup from before"
        )
        raise TallyError(code="unavailable", message=message)


def _make(connection: Connection) -> None:
    SCHEMA.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": NEWEST})
    connection.execute(insert(HEAD).values(id=1, revision=0, published=0))


def _migrate(connection: Connection, to: str) -> None:
    from tallystick.control.migrations import migrate  # noqa: PLC0415 - half a second that only a migration needs

    migrate(connection, to)
