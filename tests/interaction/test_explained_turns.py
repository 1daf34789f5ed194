"""Explained calls that take more than one message: retries after questions, tasks, and lists that change."""

import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import msgspec
import pytest

from tallystick import audit
from tallystick.terms import TenantId
from tallystick.wiring import pin
from tests.attacks.vault import Vault
from tests.interaction.configuration import copy_configuration, http, write, write_server
from tests.interaction.crossings import SESSIONS, Crossing, both_eras, every_crossing, for_new_clients
from tests.interaction.hearing import listening_to
from tests.interaction.legacy import Legacy
from tests.interaction.person import Person
from tests.interaction.record import calls_in
from tests.interaction.stage import Json, Stage, open_stage, reasons_of
from tests.interaction.waiting import until
from tests.interaction.world import World, listening
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, both_eras]

_OBLIGED = """
@id("asking-explained")
@obligation("reason")
permit (principal in Group::"clerks", action, resource);
"""
_CAPABLE: Json = {"elicitation": {"form": {}}}


@pytest.fixture(scope="module")
async def stage(office_world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    """A gateway in front of the clerks, whose every tool wants a reason."""
    folder = tmp_path_factory.mktemp("explained")
    config = copy_configuration(office_world.config, folder / "config")
    write(config, "policies/explained.cedar", _OBLIGED)
    async with open_stage(office_world, config, folder / "state") as running:
        yield running


async def _put(stage: Stage, route: str, mark: str, reason: str | None, retry: Json | None = None) -> httpx2.Response:
    arguments: Json = {"kinds": ["form"], "mark": mark, "rounds": 1}
    arguments |= {} if reason is None else {"reason": reason}
    meta: Json = {"io.modelcontextprotocol/clientCapabilities": _CAPABLE}
    params: Json = {"name": "ask", "arguments": arguments, "_meta": meta, **(retry or {})}
    return await stage.post(route, "tools/call", params)


def _result(answer: httpx2.Response) -> Json:
    return msgspec.convert(msgspec.json.decode(answer.content, type=Json).get("result"), Json)


def _answered(answer: httpx2.Response) -> Json:
    result = _result(answer)
    assert result["resultType"] == "input_required", result
    accepted: Json = {"action": "accept", "content": {"name": "Ada"}}
    keys = msgspec.convert(result["inputRequests"], Json)
    return {"inputResponses": dict.fromkeys(keys, accepted), "requestState": result["requestState"]}


@requirement("context:retry")
@every_crossing
async def test_a_call_that_is_asked_back_keeps_its_reason_in_every_combination(
    stage: Stage, crossing: Crossing
) -> None:
    journal, mark, person = stage.world.journal(crossing.server), f"explained {crossing}", Person()
    record = stage.record()
    start = await record.mark()
    async with stage.client(crossing.route, crossing.era, person=person) as client:
        asked: Json = {"kinds": ["form"], "mark": mark, "rounds": 2, "reason": "only this tool asks"}
        result = await client.call_tool("ask", asked)
    assert not result.is_error
    assert person.asked == [f"form {mark}"] * 2
    assert "only this tool asks" not in journal.text()
    intents = [leaf for leaf in calls_in(await record.since(start)) if leaf["kind"] == "intent"]
    # A client of 2026-07-28 calls again with each answer, and explains each of its calls.
    assert len(intents) == (3 if crossing.is_modern else 1)
    assert all("context" in leaf for leaf in intents)


@requirement("context:retry")
@for_new_clients
async def test_a_retry_is_the_same_request_with_another_reason_and_none_without(
    stage: Stage, crossing: Crossing
) -> None:
    mark, key = f"retried {crossing}", stage.gateway.rooms.commitment_key
    record = stage.record()
    start = await record.mark()
    retry = _answered(await _put(stage, crossing.route, mark, "first of all"))
    silent = await _put(stage, crossing.route, mark, None, retry)
    assert reasons_of(silent) == ["context_required"]
    assert _result(await _put(stage, crossing.route, mark, "the answer is here", retry))["resultType"] == "complete"
    other = await _put(stage, crossing.route, f"another {mark}", "the answer is here", retry)
    assert reasons_of(other) == ["state_refused"]
    first, denial, second, refused = (
        leaf for leaf in calls_in(await record.since(start)) if leaf["kind"] in ("intent", "denial")
    )
    assert (denial["kind"], refused["kind"]) == ("denial", "denial")
    for leaf, reason in ((first, b"first of all"), (second, b"the answer is here")):
        (entry,) = msgspec.convert(leaf["context"], list[dict[str, str]])
        assert entry["c"] == audit.leaf.commit(key, str(leaf["id"]), "reason", reason)


@requirement("context:argument", "tools:list:same-decision")
async def test_whoever_listens_is_told_when_a_list_begins_to_ask_for_reasons(
    office_world: World, tmp_path: Path
) -> None:
    config = copy_configuration(office_world.config, tmp_path / "config")
    async with (
        open_stage(office_world, config, tmp_path / "state") as own,
        listening_to(own, "servers/new", {"toolsListChanged": True}) as heard,
    ):
        await heard.until("notifications/subscriptions/acknowledged")
        before = own.gateway.holder.current
        write(config, "policies/explained.cedar", _OBLIGED)
        await until(lambda: own.gateway.holder.current is not before)
        await heard.until("notifications/tools/list_changed")
        legacy = Legacy(own, "servers/new", SESSIONS)
        await legacy.open()
        for answer in (await legacy.ask("tools/list", {}), await own.post("servers/new", "tools/list")):
            tools = msgspec.convert(_result(answer)["tools"], list[Json])
            assert all("reason" in str(tool["inputSchema"]) for tool in tools)
        assert reasons_of(await own.call("servers/new", "echo", {"text": "x"})) == ["context_required"]


@pytest.fixture
async def vault(office_world: World, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A gateway in front of a server with tasks, whose tools want a reason and name whose data they are about."""
    config = copy_configuration(office_world.config, tmp_path / "config")
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}/mcp"
        async with listening(Vault(), door):
            tools = 'tools: {"*": {operation: read, risk: low, subject: customer, retention: ten-years}}\n'
            write_server(config, "vault", http(url), tools)
            async for _ in pin(config, ("vault",)):
                pass
            write(config, "policies/explained.cedar", _OBLIGED)
            async with open_stage(office_world, config, tmp_path / "state") as running:
                yield running


@requirement("context:required", "record:names")
async def test_a_task_goes_with_the_call_that_began_it(vault: Stage) -> None:
    record = vault.record()
    start = await record.mark()
    extended: Json = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    meta: Json = {"io.modelcontextprotocol/clientCapabilities": extended}
    arguments: Json = {"customer": 4711, "reason": "the report is due"}
    begun = await vault.post("servers/vault", "tools/call", {"name": "slow", "arguments": arguments, "_meta": meta})
    task = str(_result(begun)["taskId"])
    asked = await vault.post("servers/vault", "tasks/get", {"taskId": task, "_meta": meta}, headers={"mcp-name": task})
    assert _result(asked)["taskId"] == task, asked.text
    leaves = calls_in(await record.since(start))
    assert [leaf["kind"] for leaf in leaves] == ["intent", "outcome"] * 2
    tenant, key = record.tenant, vault.gateway.rooms.commitment_key
    person = audit.leaf.subject_ref(key, TenantId(tenant), "customer=4711")
    assert {(leaf["subject"], leaf["retention"]) for leaf in leaves} == {(person, "ten-years")}
    assert ["context" in leaf for leaf in leaves] == [True, False, False, False]
