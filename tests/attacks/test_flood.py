"""A flood of requests that nobody is known to have sent: answered cheaply, counted, and told in one leaf."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.interaction.configuration import UNBOUNDED, copy_configuration
from tests.interaction.record import Leaf, leaves_of, log_of, size_of
from tests.interaction.stage import Stage, open_stage, reasons_of
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
RECORDED = 5
SENT = 40


@pytest.fixture
async def strict(world: World, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A gateway that records few refusals one by one."""
    config = copy_configuration(world.config, tmp_path / "config")
    file = config / "tally.yaml"
    file.write_text(file.read_text().replace(UNBOUNDED, f"identity: {{refused_per_minute: {RECORDED}}}\n"))
    async with open_stage(world, config, tmp_path / "state") as running:
        yield running


@requirement("failure:strangers")
async def test_a_flood_without_a_token_gets_few_leaves_and_one_that_counts_the_rest(strict: Stage) -> None:
    answers = [
        await strict.post("servers/desk", "tools/list", headers={"authorization": "Bearer nonsense"})
        for _ in range(SENT)
    ]
    assert [answer.status_code for answer in answers] == [401] * RECORDED + [429] * (SENT - RECORDED)
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert reasons_of(answers[-1]) == ["flooded"]
    # Whoever has a token is served from the same address meanwhile.
    assert (await strict.call("servers/desk", "echo", {"text": "still here"})).status_code == 200
    # So is one who may connect and is denied: a known caller's denials are always recorded.
    denied = await strict.call("servers/desk", "wipe", {"account": "A"})
    assert reasons_of(denied) == ["policy_forbids"]


async def test_what_was_left_out_is_recorded_when_the_gateway_ends(world: World, tmp_path: Path) -> None:
    config = copy_configuration(world.config, tmp_path / "config")
    file = config / "tally.yaml"
    file.write_text(file.read_text().replace(UNBOUNDED, f"identity: {{refused_per_minute: {RECORDED}}}\n"))
    async with open_stage(world, config, tmp_path / "state") as stage:
        for _ in range(SENT):
            await stage.post("servers/desk", "tools/list", body=b"{")
    *each, told = _denials(tmp_path, "platform")
    assert len(each) == RECORDED
    assert told["requests"] == SENT - RECORDED


def _denials(folder: Path, tenant: str) -> list[Leaf]:
    state = folder / "state"
    leaves = leaves_of(log_of(state, tenant), range(size_of(state, tenant)))
    return [leaf for leaf in leaves if leaf["kind"] == "denial"]
