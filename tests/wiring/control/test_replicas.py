"""Two gateways over one control database of PostgreSQL: what is changed at one is enforced by both."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.audit.scale import servers
from tests.interaction.configuration import copy_configuration, write
from tests.interaction.stage import Stage, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World
from tests.wiring.console.desk import ask, document, operator, step

pytestmark = pytest.mark.anyio
CALL = ("echo", {"text": "replica"})
UNSHARED = "gateway: {listen_host: 127.0.0.1, listen_port: 0}\n"


@pytest.fixture(scope="module")
def postgres() -> Iterator[servers.Postgres]:
    """PostgreSQL of Debian; where it is missing its lane is left out and says so."""
    why = servers.postgres_missing()
    if why is not None:
        pytest.skip(f"SKIPPED LANE: two gateways over PostgreSQL because {why}")
    with servers.postgres_alone() as running:
        yield running


@pytest.fixture
async def both(world: World, postgres: servers.Postgres, tmp_path: Path) -> AsyncGenerator[tuple[Stage, Stage]]:
    """Two gateways, each with a record of its own; the second reads no resources from its directory."""
    dsn = tmp_path / "dsn"
    dsn.write_text(postgres.dsn(f"replicas_{tmp_path.name[-20:].replace('-', '_')}"))
    async with (
        _replica(world, tmp_path / "first", dsn) as first,
        _replica(world, tmp_path / "second", dsn, ", directory: false") as second,
    ):
        yield first, second


@asynccontextmanager
async def _replica(world: World, folder: Path, dsn: Path, rest: str = "") -> AsyncGenerator[Stage]:
    config = copy_configuration(world.config, folder / "config")
    write(config, "tally.yaml", UNSHARED + f"control: {{dsn_file: '{dsn}'{rest}}}\n")
    async with open_stage(world, config, folder / "state") as stage:
        yield stage


async def test_what_is_changed_at_one_gateway_is_enforced_by_both_and_on_record_once(both: tuple[Stage, Stage]) -> None:
    first, second = both
    assert text_of(await second.call("servers/desk", *CALL)) == "replica"
    stop = '@id("stop") forbid (principal, action == Action::"desk/echo", resource);'
    await ask(operator(second).put, document("Policy", "stop", {"cedar": stop}, ""))
    for stage in both:
        await until(lambda: _digest(first) == _digest(second) and _has(second, "stop"))
        assert reasons_of(await stage.call("servers/desk", *CALL)) == ["policy_forbids"]
    await ask(operator(first).step, "Server", "desk", step("suspended", comment="both of them"))
    await until(lambda: all("servers/desk" not in stage.gateway.routes for stage in both))
    told = [leaf for stage in both for leaf in await stage.record().since(0) if leaf.get("object") == "policy/stop"]
    assert [leaf["action"] for leaf in told] == ["create"]


def _digest(stage: Stage) -> str:
    snapshot = stage.gateway.holder.current
    return "" if snapshot is None else snapshot.digest


def _has(stage: Stage, policy: str) -> bool:
    snapshot = stage.gateway.holder.current
    route = None if snapshot is None else snapshot.routes.get("servers/desk")
    return route is not None and policy in route.tools["echo"].part.policy_ids
