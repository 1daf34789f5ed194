"""Cursors, request states and task ids of somebody else, or of somewhere else, are refused like made-up ones."""

import json
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx2
import msgspec
import pytest

from tallystick.wiring import pin
from tests.attacks.advisory import holds
from tests.attacks.vault import INNER, Vault
from tests.interaction.configuration import copy_configuration, copy_pin, http, write_server
from tests.interaction.hearing import hearing
from tests.interaction.stage import MODERN, Json, Stage, error_of, open_stage
from tests.interaction.world import World, listening

pytestmark = pytest.mark.anyio

_POLICY = """
@id("vault")
permit (principal in Group::"vaulters", action, resource);
@id("visitors")
permit (principal in Group::"visitors", action == Action::"connect", resource);
"""
_META: Json = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {"form": {}},
        "extensions": {"io.modelcontextprotocol/tasks": {}},
    },
}
KINDS = ("cursor", "state", "task")
_MEMBERS = {"cursor": "nextCursor", "state": "requestState", "task": "taskId"}


@dataclass(frozen=True, slots=True)
class Bank:
    """A gateway with one vault behind three routes: two of the bank, one of the other tenant."""

    stage: Stage
    vault: Vault

    async def ask(self, method: str, params: Json, route: str, **claims: object) -> httpx2.Response:
        """Send one request as Ada, but for the claims and the route given."""
        headers, body = self.request(method, params, **claims)
        return await self.stage.http.post(self.stage.endpoint(route), content=body, headers=headers)

    def request(self, method: str, params: Json, **claims: object) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body of such a request."""
        token = self.stage.token(**{"sub": "ada", "groups": ["vaulters"], **claims})  # pyright: ignore[reportArgumentType] - `sub` is among the claims
        body: Json = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": _META}}
        named = params.get("name", params.get("taskId"))
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method, "authorization": f"Bearer {token}"}
        headers |= {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        headers |= {"mcp-name": named} if isinstance(named, str) else {}
        return headers, json.dumps(body).encode()

    async def given(self, kind: str) -> str:
        """Return a value that was handed to Ada on the first route."""
        first: dict[str, tuple[str, Json]] = {
            "cursor": ("resources/list", {}),
            "state": ("tools/call", {"name": "ask", "arguments": {"a": 1}}),
            "task": ("tools/call", {"name": "slow", "arguments": {}}),
        }
        method, params = first[kind]
        answer = await self.ask(method, params, "servers/vault")
        assert INNER[kind] not in answer.text
        result = msgspec.convert(msgspec.json.decode(answer.content, type=Json).get("result"), Json)
        return msgspec.convert(result[_MEMBERS[kind]], str)


def repeated(kind: str, value: str, **changes: object) -> tuple[str, Json]:
    """Return the request that repeats a value."""
    if kind == "cursor":
        return "resources/list", {"cursor": value}
    if kind == "task":
        return "tasks/get", {"taskId": value}
    answered: Json = {"k": {"action": "accept", "content": {}}}
    call: Json = {"name": "ask", "arguments": {"a": 1}, "inputResponses": answered, "requestState": value}
    return "tools/call", {**call, **changes}


def told(answer: httpx2.Response) -> tuple[int, Mapping[str, object]]:
    """Return a refusal without what differs between two of one kind."""
    error = error_of(answer)
    reasons = msgspec.convert(error.get("data", {}), Json).get("tallystick.dev/reasons")
    return answer.status_code, {"code": error["code"], "message": error["message"], "reasons": reasons}


@pytest.fixture(scope="module")
async def bank(world: World, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bank]:
    """Pin the vault and serve it."""
    del stage  # it ends later, so it has to begin earlier
    folder, vault = tmp_path_factory.mktemp("vault"), Vault()
    config = copy_configuration(world.config, folder / "config")
    async with AsyncExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{door.getsockname()[1]}/mcp"
        await stack.enter_async_context(listening(vault, door))
        for name in ("vault", "vault-too", "vault-branch"):
            write_server(config, name, http(url), 'tools: {"*": {operation: read, risk: low}}\n')
        theirs = config / "servers/vault-branch.yaml"
        theirs.write_text(theirs.read_text().replace("tenant: bank", "tenant: branch"))
        (config / "policies/vault.cedar").write_text(_POLICY)
        async for _ in pin(config, ("vault",)):
            pass
        copy_pin(config, "vault", "vault-too", "vault-branch")
        yield Bank(await stack.enter_async_context(open_stage(world, config, folder / "state")), vault)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_value_comes_back_to_the_server_that_gave_it(bank: Bank, kind: str) -> None:
    before = len(bank.vault.got)
    answer = await bank.ask(*repeated(kind, await bank.given(kind)), "servers/vault")
    assert "result" in msgspec.json.decode(answer.content, type=Json), answer.text
    assert bank.vault.got[before:] == [INNER[kind]]
    assert INNER[kind] not in answer.text


STRANGERS: dict[str, tuple[str, dict[str, object]]] = {
    "another person": ("servers/vault", {"sub": "bob"}),
    "another client": ("servers/vault", {"client_id": "another"}),
    "an agent for the same person": ("servers/vault", {"act": {"sub": "agent"}}),
    "another route to the same server": ("servers/vault-too", {}),
    "another tenant": ("servers/vault-branch", {"tenant": "branch"}),
}


@holds("CVE-2026-52870", "CVE-2026-25536", "GHSA-345p-7cg4-v4c7", "CVE-2026-33946", "incident:asana")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_value_of_somebody_else_is_refused_like_a_made_up_one(bank: Bank, kind: str, stranger: str) -> None:
    route, claims = STRANGERS[stranger]
    value, before = await bank.given(kind), len(bank.vault.got)
    refused = await bank.ask(*repeated(kind, value), route, **claims)
    made_up = await bank.ask(*repeated(kind, "made-up"), route, **claims)
    assert told(refused) == told(made_up)
    assert bank.vault.got[before:] == []


def _spellings(value: str, others: Mapping[str, str]) -> list[str]:
    tampered = [value[:-1], value[1:], value + "A", "A" + value, value.swapcase(), value[::-1], "", "0", "A" * 70_000]
    middle = len(value) // 2
    flipped = value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :]
    return [*tampered, flipped, *INNER.values(), *(f"u.{inner}" for inner in INNER.values()), "p.1", *others.values()]


@holds("GHSA-mvgg-jvj2-4frq", "CVE-2026-19516")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_value_that_was_changed_or_is_of_another_kind_is_refused(bank: Bank, kind: str) -> None:
    others = {other: await bank.given(other) for other in KINDS if other != kind}
    value, before = await bank.given(kind), len(bank.vault.got)
    expected = told(await bank.ask(*repeated(kind, "made-up"), "servers/vault"))
    for spelling in _spellings(value, others):
        method, params = repeated(kind, spelling)
        if len(spelling) > 60_000:
            assert (await bank.ask(method, {**params, "taskId": 1}, "servers/vault")).status_code in {200, 400, 413}
            continue
        assert (spelling, told(await bank.ask(method, params, "servers/vault"))) == (spelling, expected)
    assert bank.vault.got[before:] == []


@pytest.mark.parametrize("change", [{"arguments": {"a": 2}}, {"arguments": {}}, {"name": "ask_too"}])
async def test_a_state_serves_only_the_request_that_it_was_given_for(bank: Bank, change: Json) -> None:
    value, before = await bank.given("state"), len(bank.vault.got)
    method, params = repeated("state", value, **change)
    expected = told(await bank.ask(*repeated("state", "made-up"), "servers/vault"))
    assert told(await bank.ask(method, params, "servers/vault")) == expected
    assert bank.vault.got[before:] == []


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_task_of_somebody_else_can_be_neither_seen_nor_moved_nor_heard(bank: Bank, method: str) -> None:
    value, before = await bank.given("task"), len(bank.vault.got)
    answer = await bank.ask(method, {"taskId": value, "inputResponses": {}}, "servers/vault", sub="bob")
    made_up = await bank.ask(method, {"taskId": "made-up", "inputResponses": {}}, "servers/vault", sub="bob")
    assert told(answer) == told(made_up)
    heard = await bank.ask("subscriptions/listen", {"notifications": {"taskIds": [value]}}, "servers/vault", sub="bob")
    assert "error" in msgspec.json.decode(heard.content, type=Json)
    assert bank.vault.got[before:] == []


@pytest.mark.parametrize("method", ["prompts/list", "resources/templates/list", "tools/list"])
async def test_a_cursor_serves_only_the_list_that_it_was_given_for(bank: Bank, method: str) -> None:
    value, before = await bank.given("cursor"), len(bank.vault.got)
    expected = told(await bank.ask(*repeated("cursor", "made-up"), "servers/vault"))
    for cursor in (value, "made-up"):
        assert told(await bank.ask(method, {"cursor": cursor}, "servers/vault")) == expected
    assert bank.vault.got[before:] == []


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_whoever_may_no_longer_call_the_tool_has_no_say_in_what_it_began(bank: Bank, method: str) -> None:
    value, before = await bank.given("task"), len(bank.vault.got)
    params: Json = {"taskId": value, "inputResponses": {}}
    _, refused = told(await bank.ask(method, params, "servers/vault", groups=["visitors"]))
    assert refused["reasons"] == ["no_policy_allows"]
    assert bank.vault.got[before:] == []


async def test_news_of_a_task_name_it_as_its_client_knows_it(bank: Bank) -> None:
    value, before = await bank.given("task"), len(bank.vault.got)
    wanted: Json = {"notifications": {"taskIds": [value]}}
    async with hearing(bank.stage, "POST", "servers/vault", *bank.request("subscriptions/listen", wanted)) as heard:
        (news,) = await heard.until("notifications/tasks")
    assert msgspec.convert(news["params"], Json)["taskId"] == value
    assert bank.vault.got[before:] == [INNER["task"]]
    (told_of,) = heard.of("notifications/subscriptions/acknowledged")
    assert msgspec.convert(told_of["params"], Json)["notifications"] == {"taskIds": [value]}


async def test_no_stream_opens_for_a_task_that_is_none(bank: Bank) -> None:
    value, before = await bank.given("task"), len(bank.vault.got)
    wanted: Json = {"notifications": {"taskIds": [value, "made-up"]}}
    answer = await bank.ask("subscriptions/listen", wanted, "servers/vault")
    assert told(answer) == told(await bank.ask(*repeated("task", "made-up"), "servers/vault"))
    assert bank.vault.got[before:] == []
