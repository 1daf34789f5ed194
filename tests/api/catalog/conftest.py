"""A catalog over an empty control database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.control import Sqlite
from tests.api.catalog.stage import World
from tests.control.stage import opened, tenant


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A firm of two tenants."""
    with opened(Sqlite(tmp_path / "control.db")) as control:
        world = World(control)
        world.put(tenant("retail"), tenant("wealth"))
        yield world
