"""One world and one gateway for all interaction tests: what they share is only ever added to."""

from collections.abc import AsyncGenerator

import pytest

from tests.interaction.office import running_office
from tests.interaction.stage import Stage, open_stage
from tests.interaction.virtual import write_virtual
from tests.interaction.world import World, running_world


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    """As for every test, but the loop lives as long as the gateway does."""
    return "asyncio"


@pytest.fixture(scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Servers, issuer and configuration."""
    async with running_world(tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture(scope="package")
async def stage(world: World) -> AsyncGenerator[Stage]:
    """The gateway that the tests share."""
    async with open_stage(world, world.config, world.folder / "state") as running:
        yield running


@pytest.fixture(scope="package")
async def virtual(world: World, stage: Stage) -> AsyncGenerator[Stage]:
    """A gateway with toolsets of every kind, in front of the same servers."""
    folder = world.folder / "virtual"
    async with open_stage(world, await write_virtual(stage, folder / "config"), folder / "state") as running:
        yield running


@pytest.fixture(scope="package")
async def office_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Servers of one era each."""
    async with running_office(tmp_path_factory.mktemp("office")) as running:
        yield running


@pytest.fixture(scope="package")
async def office(office_world: World) -> AsyncGenerator[Stage]:
    """The gateway in front of them."""
    async with open_stage(office_world, office_world.config, office_world.folder / "state") as running:
        yield running
