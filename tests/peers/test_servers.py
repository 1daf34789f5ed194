"""Servers that nobody here wrote, each pinned, listed and called through the gateway, and compared with themselves."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.peers import dialogue, gateways, seen
from tests.peers.dialogue import LEGACY, MODERN, Dialogue, Message
from tests.peers.servers import SERVERS, Running, Server

pytestmark = pytest.mark.live
_MODES = {LEGACY: "legacy", MODERN: MODERN}
_LISTS = {
    "tools/list": ("tools", "tools"),
    "prompts/list": ("prompts", "prompts"),
    "resources/list": ("resources", "resources"),
    "resources/templates/list": ("resources", "resourceTemplates"),
}
"""Method -> (the capability that announces it, the key of its entries)."""
_OF_ONE_ERA = ("resultType", "ttlMs", "cacheScope", "nextCursor")
_SERVER = "io.modelcontextprotocol/serverInfo"


@dataclass(frozen=True, slots=True)
class Stage:
    """A server behind a gateway; `speaks` are the eras that `tally pin` found, newest first."""

    server: Server
    running: Running
    gateway: gateways.Gateway
    token: str
    arguments: Mapping[str, object]

    @property
    def endpoint(self) -> str:
        """The un-renamed route."""
        return self.gateway.endpoint(self.server.name)

    @property
    def speaks(self) -> list[str]:
        """The eras that `tally pin` found, newest first."""
        return self.gateway.pinned.split(": ")[1].split(", ")

    def directly(self, era: str) -> str:
        """Return the era for the direct conversation: the same where the server speaks it."""
        return era if era in self.speaks else self.speaks[0]


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.name)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One server at a time."""
    server: object = request.param
    assert isinstance(server, Server)
    folder = tmp_path_factory.mktemp(server.name)
    work = folder / "work"
    work.mkdir()
    arguments = server.arguments(work)
    with server.start(work) as running, gateways.gateway(folder, server.name, running.transport) as served:
        yield Stage(server, running, served, served.token(), arguments)


@pytest.mark.anyio
@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_the_official_client_lists_and_calls_it(stage: Stage, era: str, seen_rows: list[seen.Row]) -> None:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {stage.token}"}, timeout=30) as http,
        Client(streamable_http_client(stage.endpoint, http_client=http), mode=_MODES[era]) as client,
    ):
        tools = (await client.list_tools()).tools
        result = await client.call_tool(stage.server.tool, dict(stage.arguments))
    assert stage.server.tool in [tool.name for tool in tools]
    assert not result.is_error, result
    seen_rows.append(seen.row(stage.server.peer, ", ".join(stage.speaks), era, "", seen.worked(len(tools))))


@pytest.mark.parametrize("era", [LEGACY, MODERN])
def test_it_says_the_same_directly_and_through_the_gateway(stage: Stage, era: str, seen_rows: list[seen.Row]) -> None:
    with (
        stage.running.talk(stage.directly(era)) as direct,
        dialogue.over_http(stage.endpoint, era, stage.token) as through,
    ):
        # A tool is shown in every era as it was pinned, in the newest era that its server speaks.
        compared = _compare_lists(direct, through, exactly=direct.era == stage.speaks[0])
        for method, params in (*stage.server.others, _call(stage)):
            expected, found = _essence(direct.ask(method, params)), _essence(through.ask(method, params))
            assert _settled(stage, found) == _settled(stage, expected), method
            compared.append(method)
    done = tuple(f"same {method}" for method in dict.fromkeys(compared))
    seen_rows.append(seen.row(stage.server.peer, ", ".join(stage.speaks), era, "", done))


def _call(stage: Stage) -> tuple[str, Mapping[str, object]]:
    return "tools/call", {"name": stage.server.tool, "arguments": stage.arguments}


def _compare_lists(direct: Dialogue, through: Dialogue, *, exactly: bool) -> list[str]:
    """Compare every list that the server has, entry by entry; returns the methods.

    `exactly`: byte by byte. Otherwise the order of members counts for nothing, nor does `execution`, which only speaks
    of the tasks of 2025-11-25.
    """
    told_as = _text if exactly else _unordered
    offered = direct.introduction.get("capabilities")
    assert isinstance(offered, dict)
    told = through.introduction.get("capabilities")
    assert isinstance(told, dict)
    compared: list[str] = []
    for method, (capability, key) in _LISTS.items():
        assert (capability in told) == (capability in offered), capability
        if capability in offered:
            found, shown = direct.all(method, key), through.all(method, key)
            if method == "tools/list":
                # Pinned is what a server shows to clients that can be asked everything; this one declares nothing.
                names = {tool.get("name") for tool in found}
                shown = [tool for tool in shown if tool.get("name") in names]
            assert told_as(shown) == told_as(found), method
            compared.append(method)
    return compared


def _essence(answer: Message) -> Message:
    """Drop what only one era has, and what says who answered."""
    kept = {name: value for name, value in answer.items() if name not in _OF_ONE_ERA}
    meta = kept.pop("_meta", None)
    if isinstance(meta, dict):
        kept |= {f"_meta/{name}": value for name, value in meta.items() if name != _SERVER}  # pyright: ignore[reportUnknownVariableType] - JSON
    return kept


def _settled(stage: Stage, value: object) -> str:
    """Return JSON without what is of the moment."""
    return re.sub(stage.server.varies, "*", _text(value)) if stage.server.varies else _text(value)


def _unordered(entries: list[Message]) -> str:
    kept = [{name: value for name, value in entry.items() if name != "execution"} for entry in entries]
    return json.dumps(kept, ensure_ascii=False, indent=1, sort_keys=True)


def _text(value: object) -> str:
    """Return JSON with the order of the server's own members, so that a reordered definition is a difference."""
    return json.dumps(value, ensure_ascii=False, indent=1)
