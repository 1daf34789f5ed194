"""What comes of a task that was begun at a toolset is trimmed as the answer of its tool would be."""

import socket
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import msgspec
import pytest

from tallystick.wiring import pin
from tests.attacks.vault import Vault
from tests.interaction.configuration import copy_configuration, http, write, write_server
from tests.interaction.stage import Json, Stage, open_stage, reasons_of
from tests.interaction.waiting import until
from tests.interaction.world import World, listening
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

META: Json = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}


class _Finished(Vault):
    """A server whose tasks have come to their end."""

    def _answer(self, method: str, params: Mapping[str, object]) -> Json:
        said = super()._answer(method, params)
        result: Json = {"content": [{"type": "text", "text": "opened"}]}
        return {**said, "status": "completed", "result": result} if method == "tasks/get" else said


@pytest.fixture
async def vault(world: World, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A gateway with a toolset in front of a server with tasks."""
    config = copy_configuration(world.config, tmp_path / "config")
    with socket.create_server(("127.0.0.1", 0)) as door:
        async with listening(_Finished(), door):
            url = f"http://127.0.0.1:{door.getsockname()[1]}/mcp"
            write_server(config, "vault", http(url), 'tools: {"*": {operation: read, risk: low}}\n')
            async for _ in pin(config, ("vault",)):
                pass
            trim = "overrides: {tools: {vault/slow: {trim: {bytes: 3}}}}"
            write(config, "toolsets/vaults.yaml", f"tenant: bank\nmembers: [{{server: vault}}]\n{trim}\n")
            async with open_stage(world, config, tmp_path / "state") as running:
                yield running


@requirement("toolsets:trimmed")
async def test_the_result_of_a_task_is_trimmed(vault: Stage) -> None:
    begun = await vault.post("toolsets/vaults", "tools/call", {"name": "vault__slow", "arguments": {}, "_meta": META})
    task = str(msgspec.convert(msgspec.json.decode(begun.content, type=Json)["result"], Json)["taskId"])
    asked: Json = {"taskId": task, "_meta": META}
    done = await vault.post("toolsets/vaults", "tasks/get", asked, headers={"mcp-name": task})
    state = msgspec.convert(msgspec.json.decode(done.content, type=Json)["result"], Json)
    assert (state["taskId"], state["status"]) == (task, "completed")
    content = msgspec.convert(msgspec.convert(state["result"], Json)["content"], list[Json])
    assert [part["text"] for part in content] == [
        "ope",
        "[Trimmed by the rules of this toolset: 3 of 6 bytes are shown.]",
    ]


_SWAPPED = """
tenant: bank
members: [{server: vault}]
overrides:
  tools:
    vault/slow: {name: vault__ask}
    vault/ask: {name: vault__ask_too}
    vault/ask_too: {name: vault__slow}
"""


@requirement("questions:state")
async def test_what_one_tool_gave_out_is_not_given_to_another_that_has_its_name_by_now(vault: Stage) -> None:
    route = "toolsets/vaults"
    asking: Json = {**META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
    begun = await vault.post(route, "tools/call", {"name": "vault__slow", "arguments": {}, "_meta": META})
    asked = await vault.post(route, "tools/call", {"name": "vault__ask_too", "arguments": {}, "_meta": asking})
    task = str(msgspec.convert(msgspec.json.decode(begun.content, type=Json)["result"], Json)["taskId"])
    state = msgspec.convert(msgspec.json.decode(asked.content, type=Json)["result"], Json)["requestState"]
    answers: Json = {"inputResponses": {"k": {"action": "accept", "content": {}}}, "requestState": state}
    again: Json = {"name": "vault__ask_too", "arguments": {}, "_meta": asking, **answers}
    before = vault.gateway.holder.current
    write(vault.places.config, "toolsets/vaults.yaml", _SWAPPED)
    await until(lambda: vault.gateway.holder.current is not before)
    asked_for = {"taskId": task, "_meta": META}
    assert reasons_of(await vault.post(route, "tasks/get", asked_for, headers={"mcp-name": task})) == ["task_unknown"]
    assert reasons_of(await vault.post(route, "tools/call", again)) == ["state_refused"]
