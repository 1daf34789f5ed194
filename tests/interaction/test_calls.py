"""Tool calls through the whole corridor: how each one ends for the client, at the server and in the record."""

import anyio
import msgspec
import pytest
from mcp import MCPError
from mcp_types import CallToolResult, TextContent

from tests.interaction.legacy import Legacy
from tests.interaction.record import told_of_calls
from tests.interaction.stage import Stage, error_of, reasons_of
from tests.interaction.waiting import BOUND_S, until
from tests.interaction.ways import Way, every_era, every_way, over_each_transport, with_sessions
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


def _text(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


@requirement("tools:call:success", "record:call:two-leaves")
@every_way
async def test_a_call_reaches_the_server_once_and_its_result_comes_back_whole(stage: Stage, way: Way) -> None:
    journal, record = stage.world.journal(way.server), stage.record()
    start, before = await record.mark(), journal.calls("add", a=2, b=40)
    async with stage.client(way.route, way.era) as client:
        result = await client.call_tool(f"{way.prefix}add", {"a": 2, "b": 40})
    assert (result.is_error, result.structured_content) == (False, {"total": 42})
    assert journal.calls("add", a=2, b=40) == before + 1
    assert told_of_calls(await record.since(start)) == ["intent tools/call", "outcome success"]


@requirement("record:call:names")
@every_way
async def test_the_record_names_caller_tool_pin_decision_and_snapshot(stage: Stage, way: Way) -> None:
    record = stage.record()
    start = await record.mark()
    async with stage.client(way.route, way.era) as client:
        await client.call_tool(f"{way.prefix}echo", {"text": "who"})
    intent, outcome = [leaf for leaf in await record.since(start) if leaf.get("intent", 0) is not None][-2:]
    snapshot = stage.gateway.holder.current
    assert snapshot is not None
    known = snapshot.routes[way.route].tools[f"{way.prefix}echo"].tool
    said = {key: intent[key] for key in ("route", "server", "tool", "era", "definition", "snapshot", "tenant")}
    assert said == {
        "route": way.route,
        "server": way.server,
        "tool": "echo",
        "era": way.era,
        "definition": known.digest,
        "snapshot": snapshot.digest,
        "tenant": "bank",
    }
    caller = msgspec.convert(intent["caller"], dict[str, object])
    assert (caller["subject"], caller["kind"], caller["groups"]) == ("ada", "person", ["clerks"])
    decision = msgspec.convert(intent["decision"], dict[str, object])
    assert (decision["effect"], decision["policies"]) == ("allow", ["clerks-read"])
    assert outcome["id"] == intent["id"]


@requirement("tools:call:tool-error")
@every_way
async def test_a_tool_error_is_passed_on_and_recorded_as_one(stage: Stage, way: Way) -> None:
    record = stage.record()
    start = await record.mark()
    async with stage.client(way.route, way.era) as client:
        result = await client.call_tool(f"{way.prefix}fail", {"text": "no such customer"})
    assert result.is_error
    assert "no such customer" in _text(result)
    assert told_of_calls(await record.since(start)) == ["intent tools/call", "outcome tool_error"]


@requirement("tools:call:rpc-error")
@pytest.mark.parametrize("length", [0, 100_000])
@pytest.mark.parametrize("tool", ["refuse", "refuse_late"])
@over_each_transport
async def test_a_json_rpc_error_of_any_length_and_framing_is_recorded_as_one(
    stage: Stage, way: Way, tool: str, length: int
) -> None:
    record = stage.record()
    start = await record.mark()
    async with stage.client(way.route, way.era) as client:
        with pytest.raises(MCPError, match=r"out of order\.*") as caught:
            await client.call_tool(f"{way.prefix}{tool}", {"text": "out of order", "length": length})
    assert (caught.value.code, len(caught.value.message)) == (-32042, len("out of order") + length)
    leaves = await record.since(start)
    assert told_of_calls(leaves) == ["intent tools/call", "outcome rpc_error"]
    assert leaves[-1]["rpc_code"] == -32042


@requirement("tools:call:rpc-error")
@pytest.mark.parametrize("length", [0, 100_000])
@pytest.mark.parametrize("tool", ["error_json", "error_sse"])
async def test_an_error_framed_by_hand_is_recorded_as_one(stage: Stage, tool: str, length: int) -> None:
    record = stage.record()
    start = await record.mark()
    answer = await stage.call("servers/odd", tool, {"length": length})
    assert error_of(answer)["code"] == -32042
    assert told_of_calls(await record.since(start)) == ["intent tools/call", "outcome rpc_error"]


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
@every_way
async def test_a_cancelled_call_stops_at_the_server_and_is_recorded_as_cancelled(stage: Stage, way: Way) -> None:
    journal, record = stage.world.journal(way.server), stage.record()
    key = f"cancel {way}"
    start = await record.mark()
    async with stage.client(way.route, way.era) as client, anyio.create_task_group() as group:
        group.start_soon(client.call_tool, f"{way.prefix}hold", {"key": key})
        await until(lambda: journal.entries("holding", key=key))
        # The SDK closes the stream in the era where that cancels, and sends notifications/cancelled in the others.
        group.cancel_scope.cancel()
    await until(lambda: journal.entries("cancelled", key=key))
    leaves = await record.since(start)
    while not told_of_calls(leaves)[1:]:
        leaves = await record.since(start)
    assert [line for line in told_of_calls(leaves) if "nowhere" not in line][:2] == ["intent tools/call", "outcome cancelled"]


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
    with anyio.fail_after(BOUND_S):
        while (outcomes := told_of_calls(await record.since(start)).count("outcome success")) < 2:
            pass
    assert outcomes == 2


@requirement("tools:call:timeout")
@every_era
async def test_a_call_that_outlasts_its_servers_limit_is_answered_and_recorded_as_timeout(stage: Stage, era: str) -> None:
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
