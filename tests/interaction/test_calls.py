"""Tool calls through the whole corridor: how each one ends for the client, at the server and in the record."""

from contextlib import AsyncExitStack
from itertools import product

import anyio
import msgspec
import pytest
from mcp import Client, MCPError
from mcp_types import CallToolResult, TextContent

from tests.interaction.legacy import Legacy
from tests.interaction.record import Record, calls_in, told_of_calls
from tests.interaction.stage import Json, Stage, error_of, reasons_of
from tests.interaction.waiting import BOUND_S, until
from tests.interaction.ways import Way, every_era, every_way, every_way_at_once, over_each_transport, with_sessions
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def _recorded(record: Record, start: int, *outcomes: str) -> None:
    """Wait for the outcomes of calls whose client has gone: nothing tells it when they are written."""
    with anyio.fail_after(BOUND_S):
        while True:
            lines = told_of_calls(await record.since(start))
            if [line for line in lines if line.startswith("outcome")] == [*outcomes]:
                return


def _text(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


@requirement("tools:call:success", "record:call:two-leaves", "record:call:names")
@every_way
async def test_a_call_reaches_the_server_once_and_its_two_leaves_say_all_of_it(stage: Stage, way: Way) -> None:
    journal, record = stage.world.journal(way.server), stage.record()
    start, before = await record.mark(), journal.calls("add", a=2, b=40)
    async with stage.client(way.route, way.era) as client:
        result = await client.call_tool(f"{way.prefix}add", {"a": 2, "b": 40})
    assert (result.is_error, result.structured_content) == (False, {"total": 42})
    assert journal.calls("add", a=2, b=40) == before + 1
    leaves = await record.since(start)
    assert told_of_calls(leaves) == ["intent tools/call", "outcome success"]
    intent, outcome = (leaf for leaf in calls_in(leaves) if leaf.get("intent", 0) is not None)
    assert outcome["id"] == intent["id"]
    snapshot = stage.gateway.holder.current
    assert snapshot is not None
    known = snapshot.routes[way.route].tools[f"{way.prefix}add"].tool
    assert {key: intent[key] for key in ("route", "server", "tool", "era", "definition", "snapshot", "tenant")} == {
        "route": way.route,
        "server": way.server,
        "tool": "add",
        "era": way.era,
        "definition": known.digest,
        "snapshot": snapshot.digest,
        "tenant": "bank",
    }
    caller, decision = (msgspec.convert(intent[name], Json) for name in ("caller", "decision"))
    assert (caller["subject"], caller["kind"], caller["groups"]) == ("ada", "person", ["clerks"])
    assert (decision["effect"], decision["policies"]) == ("allow", ["clerks-read"])


@requirement("tools:call:tool-error")
@every_way_at_once
async def test_a_tool_error_is_passed_on_and_recorded_as_one(stage: Stage, ways: list[Way]) -> None:
    record = stage.record()
    start = await record.mark()
    for way in ways:
        async with stage.client(way.route, way.era) as client:
            result = await client.call_tool(f"{way.prefix}fail", {"text": "no such customer"})
        assert result.is_error, way
        assert "no such customer" in _text(result), way
    lines = told_of_calls(await record.since(start))
    assert lines == ["intent tools/call", "outcome tool_error"] * len(ways)


@requirement("tools:call:rpc-error")
@over_each_transport
async def test_a_json_rpc_error_of_any_length_and_framing_is_recorded_as_one(stage: Stage, way: Way) -> None:
    record = stage.record()
    start = await record.mark()
    async with stage.client(way.route, way.era) as client:
        for tool, length in product(("refuse", "refuse_late"), (0, 100_000)):
            with pytest.raises(MCPError, match=r"out of order\.*") as caught:
                await client.call_tool(tool, {"text": "out of order", "length": length})
            assert (caught.value.code, len(caught.value.message)) == (-32042, len("out of order") + length)
    leaves = await record.since(start)
    assert told_of_calls(leaves) == ["intent tools/call", "outcome rpc_error"] * 4
    assert calls_in(leaves)[-1]["rpc_code"] == -32042


@requirement("tools:call:rpc-error")
async def test_an_error_framed_by_hand_is_recorded_as_one(stage: Stage) -> None:
    record = stage.record()
    start = await record.mark()
    for tool, length in product(("error_json", "error_sse"), (0, 100_000)):
        answer = await stage.call("servers/odd", tool, {"length": length})
        assert error_of(answer)["code"] == -32042
    assert told_of_calls(await record.since(start)) == ["intent tools/call", "outcome rpc_error"] * 4


@requirement("tools:call:progress")
@every_way
async def test_progress_arrives_in_order_and_before_the_result(stage: Stage, way: Way) -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async with stage.client(way.route, way.era) as client:
        result = await client.call_tool(f"{way.prefix}steps", {"count": 5}, progress_callback=note)
    assert _text(result) == "5 steps"
    assert seen == [(step, 5, f"step {step}") for step in range(1, 6)]


@requirement("tools:call:cancelled")
@every_way_at_once
async def test_a_cancelled_call_stops_at_the_server_and_is_recorded_as_cancelled(stage: Stage, ways: list[Way]) -> None:
    record = stage.record()
    start = await record.mark()
    # The clients stay open until all is recorded: the gateway answers a cancelled call too, and the SDK cannot take an
    # answer while it closes.
    async with AsyncExitStack() as open_clients:
        for way in ways:
            client = await open_clients.enter_async_context(stage.client(way.route, way.era))
            await _cancelled_in_mid_call(stage, way, client)
        await _recorded(record, start, *["outcome cancelled"] * len(ways))


async def _cancelled_in_mid_call(stage: Stage, way: Way, client: Client) -> None:
    journal, key = stage.world.journal(way.server), f"cancel {way}"
    async with anyio.create_task_group() as group:
        group.start_soon(client.call_tool, f"{way.prefix}hold", {"key": key})
        await until(lambda: journal.entries("holding", key=key))
        # The SDK closes the stream in the era where that cancels, and sends notifications/cancelled in the others.
        group.cancel_scope.cancel()
    await until(lambda: journal.entries("cancelled", key=key))


@requirement("tools:call:disconnect-with-session")
@with_sessions
async def test_in_an_era_with_sessions_a_lost_connection_cancels_nothing(stage: Stage, era: str) -> None:
    journal, record = stage.world.journal("desk"), stage.record()
    key = f"lost {era}"
    client = Legacy(stage, "servers/desk", era)
    await client.open()
    start = await record.mark()
    async with anyio.create_task_group() as group:
        group.start_soon(client.call, "hold", {"key": key})
        await until(lambda: journal.entries("holding", key=key))
        group.cancel_scope.cancel()
    await client.call("release", {"key": key})
    await until(lambda: journal.entries("let go", key=key))
    assert not journal.entries("cancelled", key=key)
    await _recorded(record, start, "outcome success", "outcome success")


@requirement("tools:call:timeout")
@every_era
async def test_a_call_that_outlasts_its_servers_limit_is_answered_and_recorded_as_timeout(
    stage: Stage, era: str
) -> None:
    journal, record, key = stage.world.journal("hasty"), stage.record(), f"timeout {era}"
    start = await record.mark()
    async with stage.client("servers/hasty", era) as client:
        with pytest.raises(MCPError, match="did not answer in time"):
            await client.call_tool("hold", {"key": key})
    assert told_of_calls(await record.since(start)) == ["intent tools/call", "outcome timeout"]
    await until(lambda: journal.entries("cancelled", key=key))


@requirement("tools:call:too-large")
@over_each_transport
async def test_a_result_over_the_servers_limit_is_withheld_and_recorded_as_limited(stage: Stage, way: Way) -> None:
    record = stage.record()
    start = await record.mark()
    async with stage.client(f"servers/{way.small}", way.era) as client:
        with pytest.raises(MCPError, match="larger than this server's limit"):
            await client.call_tool("big", {"size": 100_000})
    assert told_of_calls(await record.since(start)) == ["intent tools/call", "outcome limited"]


@requirement("tools:call:upstream-broken")
@pytest.mark.parametrize("tool", ["garbage", "cut_off", "other_id"])
async def test_an_answer_that_is_not_the_calls_own_is_an_upstream_failure(stage: Stage, tool: str) -> None:
    record = stage.record()
    start = await record.mark()
    answer = await stage.call("servers/odd", tool, {})
    assert reasons_of(answer) == ["upstream_broken"]
    assert told_of_calls(await record.since(start)) == ["intent tools/call", "outcome upstream_failure"]
