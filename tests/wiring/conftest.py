"""A world for each module of tests, and a gateway for each test."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.interaction.configuration import copy_configuration
from tests.interaction.stage import Stage, open_stage
from tests.interaction.world import World, running_world


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module, because its world lives in it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Servers, issuer and configuration."""
    async with running_world(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture
async def stage(world: World, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A gateway of the test's own, with its console."""
    async with open_stage(world, copy_configuration(world.config, tmp_path / "config"), tmp_path / "state") as running:
        yield running
