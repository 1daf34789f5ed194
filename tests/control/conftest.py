"""Both databases: every promise of control state is tested on each."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from tallystick.control import Control, Postgres, Sqlite
from tests.audit.scale import servers
from tests.control.stage import opened


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """PostgreSQL of Debian; where it is missing its lane is left out and says so."""
    why = servers.postgres_missing()
    if why is not None:
        pytest.skip(f"SKIPPED LANE: control state on PostgreSQL because {why}")
    with servers.postgres_alone() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Sqlite | Postgres:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return Sqlite(tmp_path / "control.db")
    running: servers.Postgres = request.getfixturevalue("postgres")
    return Postgres(running.dsn(f"control_{token_hex(6)}"))


@pytest.fixture
def control(place: Sqlite | Postgres) -> Iterator[Control]:
    """Control state over an empty database."""
    with opened(place) as control:
        yield control
