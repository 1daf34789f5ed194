"""Personal data that goes through the gateway in every way stands in clear in no file of the state directory."""

import json
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from anyio import to_thread
from mcp import MCPError

from tallystick.audit.client import order
from tests.audit.payload.canaries import CANARIES, sightings
from tests.interaction.explained import explained
from tests.interaction.stage import Json, Stage, open_stage
from tests.interaction.ways import Way, every_way_at_once
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
TOLD = json.dumps(CANARIES, ensure_ascii=False)


@pytest.fixture(scope="module")
async def stage(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    """A gateway of its own: its state directory is searched as a whole."""
    folder = tmp_path_factory.mktemp("canaries")
    async with open_stage(world, explained(world.config, folder / "config"), folder / "state") as running:
        yield running


@requirement("secrets:payloads:encrypted")
@every_way_at_once
async def test_no_canary_is_in_any_file_of_the_state_directory(stage: Stage, ways: list[Way]) -> None:
    record = stage.record()
    start = await record.mark()
    for way in ways:
        async with stage.client(way.route, way.era) as client:
            result = await client.call_tool(f"{way.prefix}echo", {"text": TOLD, "reason": TOLD[:1900]})
            assert CANARIES["name"] in str(result)
            # Refused, since it is not explained: some eras tell that as a failed tool, some as an error.
            with suppress(MCPError):
                await client.call_tool(f"{way.prefix}echo", {"text": TOLD})
            await client.call_tool(f"{way.prefix}fail", {"text": TOLD})
    meta = {f"tallystick.dev/{name}": TOLD for name in ("prompt", "intent", "reason")}
    arguments: Json = {"a": 1, "b": 2}
    await stage.post("servers/desk", "tools/call", {"name": "add", "arguments": arguments, "_meta": meta})
    leaves = await record.since(start)
    assert sightings(stage.places.state) == []
    kept = {leaf["tool"]: str(leaf["id"]) for leaf in leaves if leaf["kind"] == "intent" and "tool" in leaf}
    assert CANARIES["IBAN"] in await reveal(stage, kept["echo"], "args")
    assert CANARIES["PAN"] in await reveal(stage, kept["echo"], "result")
    assert CANARIES["name"] in await reveal(stage, kept["add"], "prompt")
    assert sightings(stage.places.state) == []


async def reveal(stage: Stage, call: str, field: str) -> str:
    """A payload, as an operator has it told."""
    fields = {"order": "reveal", "tenant": "bank", "call": call, "field": field, "why": "test", "operator": "ana"}
    told = await to_thread.run_sync(order, stage.places.state, fields)
    content = told["content"]
    assert isinstance(content, str)
    return b64decode(content).decode()
