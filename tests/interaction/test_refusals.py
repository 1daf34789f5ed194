"""Calls that must not happen: the client is told why, the record says so, and the server never hears of them."""

import anyio
import httpx2
import msgspec
import pytest
from mcp import MCPError

from tests.interaction.desk import HIDDEN
from tests.interaction.legacy import Legacy
from tests.interaction.record import told
from tests.interaction.stage import Json, Stage, error_of, index_of, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.ways import Way, every_way, every_way_at_once
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

REFUSED: dict[str, tuple[str, dict[str, object], str, list[str]]] = {
    # what -> tool, arguments, reason, policies
    "no policy allows": ("transfer", {"account": "A", "amount": 101}, "no_policy_allows", []),
    "a policy forbids": ("wipe", {"account": "A"}, "policy_forbids", ["nobody-wipes"]),
    "an approval is due": ("close_account", {"account": "A"}, "approval_required", ["clerks-close-with-approval"]),
    "arguments do not fit": ("echo", {"text": 5}, "arguments_invalid", []),
    "an argument is missing": ("add", {"a": 1}, "arguments_invalid", []),
    "the tool is unknown": ("nonsense", {}, "tool_unknown", []),
    "the tool is hidden": ("unreviewed", {"text": "x"}, "tool_unknown", []),
}


@requirement(
    "tools:call:denied",
    "tools:call:arguments",
    "tools:call:approval",
    "tools:call:hidden-is-unknown",
    "record:denial:one-leaf",
)
@every_way_at_once
async def test_a_refused_call_is_told_and_recorded_with_its_reason_and_never_sent(
    stage: Stage, ways: list[Way]
) -> None:
    record = stage.record()
    clients = [Legacy(stage, way.route, way.era) for way in ways]
    for client in clients if not ways[0].is_modern else []:
        await client.open()
    before, start = _seen(stage, ways), await record.mark()
    cases = [(way, client, *refused) for way, client in zip(ways, clients, strict=True) for refused in REFUSED.values()]
    for place, (way, client, tool, arguments, reason, _) in enumerate(cases, start + 1):
        name = f"{way.prefix}{tool}"
        answer = await (stage.call(way.route, name, arguments) if way.is_modern else client.call(name, arguments))
        assert (way, answer.status_code, reasons_of(answer), index_of(answer)) == (way, 200, [reason], place)
    leaves = await record.since(start)
    assert told(leaves) == [f"denial tools/call {reason}" for *_, reason, _ in cases]
    refusals = [msgspec.convert(leaf["refusal"], Json) for leaf in leaves]
    assert [refusal["policies"] for refusal in refusals] == [policies for *_, policies in cases]
    assert all({"tool", "args_c", "caller"} <= leaf.keys() for leaf in leaves)
    asked = {"no_policy_allows", "policy_forbids", "approval_required"}
    assert ["decision" in leaf for leaf in leaves] == [reason in asked for *_, reason, _ in cases]
    assert _seen(stage, ways) == before


def _seen(stage: Stage, ways: list[Way]) -> list[str]:
    return [stage.world.journal(way.server).text() for way in ways]


@requirement("tools:call:argument-limited")
@every_way
async def test_a_policy_on_arguments_allows_up_to_its_limit(stage: Stage, way: Way) -> None:
    journal, account = stage.world.journal(way.server), f"limit {way}"
    async with stage.client(way.route, way.era) as client:
        result = await client.call_tool(f"{way.prefix}transfer", {"account": account, "amount": 100})
        with pytest.raises(MCPError, match="Policy does not allow this call"):
            await client.call_tool(f"{way.prefix}transfer", {"account": account, "amount": 101})
    assert not result.is_error
    assert journal.calls("transfer", account=account, amount=100) == 1
    assert journal.calls("transfer", account=account, amount=101) == 0


@requirement("tools:call:hidden-is-unknown")
@pytest.mark.parametrize("route", ["servers/desk", "toolsets/desks"])
async def test_a_hidden_tool_is_answered_like_one_that_does_not_exist(stage: Stage, route: str) -> None:
    prefix = "desk__" if route.startswith("toolsets") else ""
    hidden = await stage.call(route, f"{prefix}{HIDDEN}", {"text": "x"})
    unknown = await stage.call(route, f"{prefix}{HIDDEN}2", {"text": "x"})
    assert (hidden.status_code, _without_index(hidden)) == (unknown.status_code, _without_index(unknown))


@requirement("routes:unknown:hidden")
async def test_a_route_of_another_tenant_is_answered_like_one_that_does_not_exist(stage: Stage) -> None:
    other = stage.token("olga", tenant="branch")
    theirs = await stage.call("servers/desk", "echo", {"text": "x"}, token=other)
    nobodys = await stage.call("servers/desk2", "echo", {"text": "x"}, token=other)
    assert theirs.status_code == nobodys.status_code == 404
    assert _without_index(theirs) == _without_index(nobodys)


@requirement("tools:call:arguments")
async def test_a_refused_argument_is_named_by_place_and_never_by_value(stage: Stage) -> None:
    answer = await stage.call("servers/desk", "add", {"a": "canary-in-an-argument", "b": 1})
    assert "/a" in text_of(answer)
    assert "canary" not in answer.text


@requirement("tools:call:arguments")
async def test_who_may_not_call_a_tool_learns_nothing_about_its_arguments(stage: Stage) -> None:
    stranger = stage.token("eve", groups=[])
    answer = await stage.call("servers/desk", "add", {"a": "no number"}, token=stranger)
    assert reasons_of(answer) == ["no_policy_allows"]


@requirement("tools:call:in-flight")
async def test_a_call_beyond_the_servers_limit_in_flight_is_refused_at_once(stage: Stage) -> None:
    journal, record, key = stage.world.journal("small"), stage.record(), "in flight"
    start = await record.mark()
    async with anyio.create_task_group() as group:
        group.start_soon(stage.call, "servers/small", "hold", {"key": key})
        await until(lambda: journal.entries("holding", key=key))
        answer = await stage.call("servers/small", "echo", {"text": key})
        assert reasons_of(answer) == ["calls_in_flight"]
        await stage.call("servers/desk", "release", {"key": key})
    assert journal.calls("echo", text=key) == 0
    assert "denial tools/call calls_in_flight" in told(await record.since(start))


def _without_index(answer: httpx2.Response) -> Json:
    error = error_of(answer)
    kept = {name: value for name, value in msgspec.convert(error["data"], Json).items() if not name.endswith("record")}
    return {**error, "data": kept}
