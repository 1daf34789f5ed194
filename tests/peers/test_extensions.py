"""Extensions of others' servers through the un-renamed route: MCP Apps and tasks."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.peers import dialogue, gateways, seen
from tests.peers.dialogue import LEGACY, MODERN, Message
from tests.peers.servers import SERVERS, Running, Server

pytestmark = pytest.mark.live
_TASKS: Message = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
_APPS: Message = {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}}
_WITHIN_S = 20


class _Ui(msgspec.Struct, rename="camel"):
    resource_uri: str


class _Meta(msgspec.Struct):
    ui: _Ui


class _Tool(msgspec.Struct):
    name: str
    meta: _Meta = msgspec.field(name="_meta")


class _Task(msgspec.Struct, rename="camel"):
    task_id: str
    status: str
    result_type: str
    result: Message = msgspec.field(default_factory=dict[str, object])


@contextmanager
def _behind_a_gateway(name: str, folder: Path) -> Generator[tuple[Server, Running, gateways.Gateway]]:
    server = next(server for server in SERVERS if server.name == name)
    with server.start(folder) as running, gateways.gateway(folder, name, running.transport) as served:
        yield server, running, served


def test_an_app_and_its_page_come_through_unchanged(tmp_path: Path, seen_rows: list[seen.Row]) -> None:
    with _behind_a_gateway("app", tmp_path) as (server, running, served):
        speaks = served.pinned.split(": ")[1]
        token = served.token()
        with running.talk(speaks.split(", ")[0]) as direct:
            wanted = msgspec.convert(direct.all("tools/list", "tools"), list[_Tool])
            address = wanted[0].meta.ui.resource_uri
            page = direct.ask("resources/read", {"uri": address})["contents"]
        assert address.startswith("ui://")
        for era in (LEGACY, MODERN):
            with dialogue.over_http(served.endpoint("app"), era, token, _APPS) as through:
                assert msgspec.convert(through.all("tools/list", "tools"), list[_Tool]) == wanted
                assert through.ask("resources/read", {"uri": address})["contents"] == page
            done = ("_meta.ui and the ui:// page unchanged",)
            seen_rows.append(seen.row(server.peer, speaks, era, "", done))


def test_a_task_runs_and_is_asked_for(tmp_path: Path, seen_rows: list[seen.Row]) -> None:
    with _behind_a_gateway("tasks", tmp_path) as (server, _, served):
        token = served.token()
        with dialogue.over_http(served.endpoint("tasks"), MODERN, token, _TASKS) as through:
            call: Message = {"name": "reconcile", "arguments": {"accounts": 4}}
            task = msgspec.convert(through.ask("tools/call", call), _Task)
            assert task.result_type == "task"
            until = time.monotonic() + _WITHIN_S
            while task.status == "working" and time.monotonic() < until:
                time.sleep(0.1)
                task = msgspec.convert(through.ask("tasks/get", {"taskId": task.task_id}), _Task)
        assert task.status == "completed"
        assert msgspec.convert(task.result["content"], list[Message])[0]["text"] == "4 accounts agree"
        done = ("task started, asked for, completed",)
        seen_rows.append(seen.row(server.peer, served.pinned.split(": ")[1], MODERN, "", done))
