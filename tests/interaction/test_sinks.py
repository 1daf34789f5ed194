"""A mandatory sink: calls pass while it takes the record, and none is made while it does not."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tallystick.terms import TenantId
from tests.export.kept import indices_of
from tests.interaction.configuration import copy_configuration
from tests.interaction.stage import Stage, error_of, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
ROUTE = "servers/desk"
BANK = TenantId("bank")
SINK = "type: file\nformat: leaf\ntenants: [bank]\nmandatory: {mandatory}\nmax_lag_s: 10\nfile: {{path: {path}}}\n"


def write_sink(config: Path, path: Path, *, mandatory: bool) -> None:
    """Write the settings of a sink."""
    (config / "sinks").mkdir(exist_ok=True)
    (config / "sinks/soc.yaml").write_text(SINK.format(mandatory=str(mandatory).lower(), path=path))


@pytest.fixture
async def own(world: World, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A gateway with a mandatory sink: a file that cannot be written yet. Nothing was ever published there."""
    config = copy_configuration(world.config, tmp_path / "config")
    (tmp_path / "events.jsonl").mkdir()
    write_sink(config, tmp_path / "events.jsonl", mandatory=True)
    async with open_stage(world, config, tmp_path / "state") as stage:
        # The record of the start is there, and the sink has not got it.
        await until(lambda: stage.gateway.rooms.unsent(BANK) is not None)
        yield stage


@requirement("sinks:mandatory")
async def test_no_call_is_made_until_a_mandatory_sink_has_the_record(own: Stage, tmp_path: Path) -> None:
    journal = own.world.journal("desk")
    before = journal.text()
    answers = [
        await own.call(ROUTE, "echo", {"text": "unsent"}),
        await own.post(ROUTE, "resources/read", {"uri": "desk://rates/public-x"}),
    ]
    for answer in answers:
        assert (answer.status_code, reasons_of(answer)) == (503, ["sink_unavailable"])
        assert "Tell the operator" in str(error_of(answer)["message"])
    assert journal.text() == before
    # The sink is back: the follower brings it everything, the refusals too, and calls are made again.
    (tmp_path / "events.jsonl").rmdir()
    await until(lambda: own.gateway.rooms.unsent(BANK) is None)
    assert text_of(await own.call(ROUTE, "echo", {"text": "sent"})) == "sent"
    await until(lambda: b'"kind":"outcome"' in (tmp_path / "events.jsonl").read_bytes())
    indices = indices_of((tmp_path / "events.jsonl").read_bytes())
    assert indices == list(range(len(indices)))


@requirement("sinks:mandatory")
async def test_a_sink_that_is_made_optional_lets_calls_pass_at_once(own: Stage, tmp_path: Path) -> None:
    assert reasons_of(await own.call(ROUTE, "echo", {"text": "unsent"})) == ["sink_unavailable"]
    write_sink(own.places.config, tmp_path / "events.jsonl", mandatory=False)
    await until(lambda: own.gateway.rooms.unsent(BANK) is None)
    assert text_of(await own.call(ROUTE, "echo", {"text": "on"})) == "on"
