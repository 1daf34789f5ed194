"""A server that nobody here wrote asks its client in the middle of a call, and tells it of progress and of changes."""

from collections.abc import Iterator

import anyio
import httpx2
import mcp_types
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated

from tests.peers import gateways, seen
from tests.peers.dialogue import LEGACY, MODERN
from tests.peers.servers import SERVERS

pytestmark = [pytest.mark.live, pytest.mark.anyio]
_MODES = {LEGACY: "legacy", MODERN: MODERN}
_CHANGING = "demo://resource/dynamic/text/1"
_WITHIN_S = 20
_SERVER = next(server for server in SERVERS if server.name == "everything")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateways.Gateway]:
    """A gateway in front of server-everything, which it starts."""
    folder = tmp_path_factory.mktemp("questions")
    with _SERVER.start(folder) as running, gateways.gateway(folder, _SERVER.name, running.transport) as gateway:
        yield gateway


async def _fill_in(
    context: ClientRequestContext, params: mcp_types.ElicitRequestParams
) -> mcp_types.ElicitResult | mcp_types.ErrorData:
    del context
    assert isinstance(params, mcp_types.ElicitRequestFormParams)
    return mcp_types.ElicitResult(action="accept", content={"name": "Ana", "check": True})


async def _think(
    context: ClientRequestContext, params: mcp_types.CreateMessageRequestParams
) -> mcp_types.CreateMessageResult:
    del context
    text = mcp_types.TextContent(type="text", text=f"thought within {params.max_tokens}")
    return mcp_types.CreateMessageResult(role="assistant", content=text, model="none")


@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_its_questions_reach_the_client_and_the_answers_the_server(
    served: gateways.Gateway, era: str, seen_rows: list[seen.Row]
) -> None:
    steps: list[float] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        del total, message
        steps.append(progress)

    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {served.token()}"}, timeout=30) as http,
        Client(
            streamable_http_client(served.endpoint(_SERVER.name), http_client=http),
            mode=_MODES[era],
            elicitation_callback=_fill_in,
            sampling_callback=_think,
        ) as client,
    ):
        filled = await client.call_tool("trigger-elicitation-request", {})
        sampled = await client.call_tool("trigger-sampling-request", {"prompt": "why", "maxTokens": 7})
        await client.call_tool("trigger-long-running-operation", {"duration": 1, "steps": 4}, progress_callback=tell)
    assert "Ana" in str(filled.content)
    assert "thought within 7" in str(sampled.content)
    assert steps == [1, 2, 3, 4]
    done = ("elicitation, sampling and progress",)
    seen_rows.append(seen.row(_SERVER.peer, LEGACY, era, "", done))


@pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")
@pytest.mark.parametrize("era", [LEGACY, MODERN])
async def test_its_updates_reach_the_client_that_wants_them(
    served: gateways.Gateway, era: str, seen_rows: list[seen.Row]
) -> None:
    send, updates = anyio.create_memory_object_stream[str](10)

    async def hear(message: object) -> None:
        if isinstance(message, mcp_types.ResourceUpdatedNotification):
            await send.send(str(message.params.uri))

    with send, updates, anyio.fail_after(_WITHIN_S):
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {served.token()}"}, timeout=30) as http,
            Client(
                streamable_http_client(served.endpoint(_SERVER.name), http_client=http),
                mode=_MODES[era],
                message_handler=hear,
            ) as client,
        ):
            changed = await (_listened(client) if era == MODERN else _subscribed(client, updates))
            await client.call_tool("toggle-subscriber-updates", {})
    assert changed == _CHANGING
    seen_rows.append(seen.row(_SERVER.peer, LEGACY, era, "", ("updates of a resource",)))


async def _subscribed(client: Client, updates: MemoryObjectReceiveStream[str]) -> str:
    await client.subscribe_resource(_CHANGING)  # pyright: ignore[reportDeprecated] - it is what this era has
    await client.call_tool("toggle-subscriber-updates", {})
    changed = await updates.receive()
    await client.unsubscribe_resource(_CHANGING)  # pyright: ignore[reportDeprecated] - it is what this era has
    return changed


async def _listened(client: Client) -> str:
    async with client.listen(resource_subscriptions=[_CHANGING]) as events:
        await client.call_tool("toggle-subscriber-updates", {})
        async for event in events:
            if isinstance(event, ResourceUpdated):
                return str(event.uri)
    return ""
