"""Opening and listing: what a client is told of a server, and that what is listed is what may be called."""

import msgspec
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.interaction.configuration import copy_configuration, write_toolset
from tests.interaction.legacy import Legacy
from tests.interaction.record import calls_in, told
from tests.interaction.stage import ERAS, MODERN, Json, Stage, new_http, open_stage, reasons_of
from tests.interaction.ways import Way, every_era, every_way, every_way_at_once, with_sessions
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

MAY = ["echo", "add", "fail", "refuse", "refuse_late", "steps", "hold", "release", "big", "transfer", "close_account"]
"""What a clerk may call with some arguments, at best after an approval."""


async def _names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


@requirement("tools:list:same-decision", "record:local:one-leaf")
@every_way_at_once
async def test_the_list_holds_what_the_caller_may_call_and_nothing_else(stage: Stage, ways: list[Way]) -> None:
    record = stage.record()
    start = await record.mark()
    for way in ways:
        async with stage.client(way.route, way.era) as client:
            names = await _names(client)
        own = [name for name in names if name.startswith(way.prefix)][: len(MAY)]
        assert own == [f"{way.prefix}{name}" for name in MAY]
        assert not any("wipe" in name or "unreviewed" in name for name in names), way
        async with stage.client(way.route, way.era, stage.token("eve", groups=[])) as client:
            assert await _names(client) == []
    opening = [] if ways[0].is_modern else ["local initialize success"]
    assert told(calls_in(await record.since(start))) == [*opening, "local tools/list success"] * 2 * len(ways)


@requirement("tools:list:names")
@every_era
async def test_a_servers_route_keeps_names_and_a_toolset_prefixes_them(stage: Stage, era: str) -> None:
    async with stage.client("servers/desk", era) as client:
        assert await _names(client) == MAY
    theirs = [name for name in MAY if name != "transfer"]
    async with stage.client("toolsets/desks", era) as client:
        assert await _names(client) == [f"desk__{name}" for name in MAY] + [f"risk__{name}" for name in theirs]


@requirement("tools:list:names")
async def test_published_names_stay_when_a_toolset_grows(world: World, stage: Stage) -> None:
    config = copy_configuration(world.config, world.folder / "grown" / "config")
    write_toolset(config, "desks", "odd", "desk", "risk", "line")
    async with stage.client("toolsets/desks", MODERN) as client:
        before = await _names(client)
    async with (
        open_stage(world, config, world.folder / "grown" / "state") as grown,
        grown.client("toolsets/desks", MODERN) as client,
    ):
        after = await _names(client)
    assert len(after) > len(before)
    assert set(before) < set(after)


@requirement("tools:list:definition")
@every_way
async def test_a_listed_tool_is_the_pinned_one_under_its_published_name(stage: Stage, way: Way) -> None:
    pin = msgspec.json.decode((stage.places.config / "pins" / f"{way.server}.json").read_bytes(), type=Json)
    pinned = {str(tool["name"]): tool for tool in msgspec.convert(pin["tools"], list[Json])}
    async with stage.client(way.route, way.era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    listed = tools[f"{way.prefix}add"]
    assert (listed.input_schema, listed.output_schema, listed.description) == (
        pinned["add"]["inputSchema"],
        pinned["add"]["outputSchema"],
        pinned["add"]["description"],
    )


@requirement("lifecycle:discover:pinned")
@pytest.mark.parametrize("route", ["servers/desk", "servers/line", "toolsets/desks"])
async def test_discover_tells_the_pinned_capabilities_and_all_versions_spoken_here(stage: Stage, route: str) -> None:
    message = msgspec.json.decode((await stage.post(route, "server/discover")).content, type=Json)
    result = msgspec.convert(message["result"], Json)
    assert (result["supportedVersions"], result["cacheScope"]) == (list(ERAS), "private")
    capabilities = msgspec.convert(result["capabilities"], Json)
    pin = stage.places.config / "pins" / f"{route.partition('/')[2]}.json"
    pinned: Json = {"tools": {}}
    if pin.exists():
        document = msgspec.json.decode(pin.read_bytes(), type=Json)
        eras = msgspec.convert(document["eras"], dict[str, dict[str, object]])
        pinned = msgspec.convert(eras[MODERN]["capabilities"], Json)
    # That tools have changed is the gateway's own to tell.
    assert capabilities == {**pinned, "tools": {"listChanged": True}}


@requirement("lifecycle:discover:pinned")
async def test_a_client_that_looks_for_the_era_itself_finds_the_newest(stage: Stage) -> None:
    headers = {"Authorization": f"Bearer {stage.token()}"}
    async with (
        new_http(headers) as http,
        Client(streamable_http_client(stage.endpoint("servers/desk"), http_client=http)) as client,
    ):
        assert client.protocol_version == MODERN
        assert client.server_info is not None
        assert client.server_info.name == "tallystick/servers/desk"
        assert client.instructions == "desk under test"


@requirement("lifecycle:initialize:version")
@with_sessions
async def test_initialize_agrees_on_the_version_that_was_asked_for(stage: Stage, era: str) -> None:
    async with stage.client("servers/desk", era) as client:
        assert client.protocol_version == era
        assert client.server_capabilities.tools is not None
        assert client.server_capabilities.tools.list_changed


@requirement("lifecycle:initialize:version")
async def test_initialize_answers_an_unknown_version_with_the_newest_that_has_sessions(stage: Stage) -> None:
    answer = await Legacy(stage, "servers/desk", "1999-01-01").open()
    result = msgspec.convert(msgspec.json.decode(answer.content, type=Json)["result"], Json)
    assert result["protocolVersion"] == "2025-11-25"


@requirement("lifecycle:ping")
@with_sessions
async def test_ping_is_answered_by_the_gateway(stage: Stage, era: str) -> None:
    before = stage.world.journal("desk").text()
    client = Legacy(stage, "servers/desk", era)
    await client.open()
    answer = await client.ask("ping", {}, 7)
    assert msgspec.json.decode(answer.content) == {"jsonrpc": "2.0", "id": 7, "result": {}}
    assert stage.world.journal("desk").text() == before


@requirement("lifecycle:era:closed-methods")
@pytest.mark.parametrize("method", ["ping", "initialize", "logging/setLevel", "resources/subscribe", "tasks/list"])
async def test_a_method_of_the_eras_with_sessions_is_unknown_in_the_newest(stage: Stage, method: str) -> None:
    answer = await stage.post("servers/desk", method)
    assert (answer.status_code, reasons_of(answer)) == (404, ["method_unknown"])


@requirement("lifecycle:era:closed-methods")
@with_sessions
@pytest.mark.parametrize("method", ["server/discover", "subscriptions/listen"])
async def test_a_method_of_the_newest_era_is_unknown_in_those_with_sessions(
    stage: Stage, era: str, method: str
) -> None:
    client = Legacy(stage, "servers/desk", era)
    await client.open()
    answer = await client.ask(method, {})
    assert (answer.status_code, reasons_of(answer)) == (200, ["method_unknown"])
