"""One process of several does something at a time: a lock that ends with its holder, however that ends."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tallystick.control.entries import Postgres, Sqlite
from tallystick.terms import TallyError

_RELAY: Final = 0x7A11_0001


class Turn:
    """The turn to bring leaves to the record."""

    def __init__(self, place: Sqlite | Postgres) -> None:
        self._place = place

    @contextmanager
    def taken(self) -> Generator[bool]:
        """Yield whether the turn is ours now; it is until the end of the block."""
        if isinstance(self._place, Sqlite):
            with _file_lock(self._place.path.with_name(self._place.path.name + ".relay")) as mine:
                yield mine
        else:
            with _advisory_lock(self._place.dsn) as mine:
                yield mine


@contextmanager
def _file_lock(path: Path) -> Generator[bool]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextmanager
def _advisory_lock(dsn: str) -> Generator[bool]:
    import psycopg  # noqa: PLC0415 - an extra: only who has chosen PostgreSQL needs it

    try:
        connection = psycopg.connect(dsn, autocommit=True)
    except psycopg.Error as error:
        raise TallyError(code="unavailable", message=f"the control database does not answer ({error})") from error
    with connection:
        # Per schema: two installations may share a database.
        found = connection.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(current_schema()))", (_RELAY & 0x7FFF_FFFF,)
        ).fetchone()
        yield bool(found and found[0])
