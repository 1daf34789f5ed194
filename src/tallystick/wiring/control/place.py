"""Where control state is, and on whose behalf this process changes it."""

import os
import pwd
from pathlib import Path

from tallystick.control import Postgres, Sqlite
from tallystick.terms import TallyError


def place_of(dsn_file: str, state: Path) -> Sqlite | Postgres:
    """Return the place: PostgreSQL where a file with its connection string is named. Raises `TallyError`."""
    if not dsn_file:
        return Sqlite(state / "control.db")
    try:
        return Postgres(Path(dsn_file).read_text(encoding="utf-8").strip())
    except OSError as error:
        message = f"control.dsn_file {dsn_file} cannot be read: {error.strerror}"
        raise TallyError(code="invalid", message=message) from error


def account() -> str:
    """Who runs this process: the account, or its number where it has no name, as in a container."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
