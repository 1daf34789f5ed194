"""The servers of this lane, started once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.scale.place import Place, make_bucket, new_place
from tests.audit.scale.servers import Postgres, Seaweed, missing, servers


@pytest.fixture(scope="session")
def both() -> Iterator[tuple[Postgres, Seaweed]]:
    """PostgreSQL and SeaweedFS; where one is missing the lane is left out and says so."""
    why = missing()
    if why is not None:
        pytest.skip(f"SKIPPED LANE: scale-out because {why}")
    with servers() as (postgres, seaweed):
        make_bucket(seaweed)
        yield postgres, seaweed


@pytest.fixture
def place(both: tuple[Postgres, Seaweed], tmp_path: Path) -> Place:
    """An empty place."""
    return new_place(*both, tmp_path)
