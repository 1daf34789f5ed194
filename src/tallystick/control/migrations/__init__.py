"""Migrations of the control database (Alembic). A released script is never changed; the next one comes beside it.

Each expands only: the release before it goes on reading and writing while and after it runs.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def migrate(connection: Connection, to: str) -> None:
    """Run the scripts up to a version inside the caller's transaction."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    command.upgrade(config, to)
