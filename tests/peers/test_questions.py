"""A server that nobody here wrote asks its client in the middle of a call, and tells it how far it is."""

from collections.abc import Iterator

import httpx2
import mcp_types
import pytest
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client

from tests.peers import gateways, seen
from tests.peers.dialogue import LEGACY, MODERN
from tests.peers.servers import SERVERS

pytestmark = [pytest.mark.live, pytest.mark.anyio]
_MODES = {LEGACY: "legacy", MODERN: MODERN}
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
