"""The fixture of one era: it serves that era, and refuses the other one in recognisable words."""

import json

import httpx2
import pytest

from conformance.fixture.one_era import MODERN, SESSIONS, Era, OneEra
from conformance.fixture.server import build

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")]

ACCEPT = "application/json, text/event-stream"
INITIALIZE = {"protocolVersion": SESSIONS, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
ENVELOPE: dict[str, object] = {"protocolVersion": MODERN, "clientCapabilities": {}}
DISCOVER = {"_meta": {f"io.modelcontextprotocol/{name}": value for name, value in ENVELOPE.items()}}


async def _post(era: Era, method: str, params: object, version: str | None) -> tuple[int, dict[str, object]]:
    """Post to a fixture of one era; returns status and error (or result)."""
    app = build().streamable_http_app(json_response=True)
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    headers = {"accept": ACCEPT, **({"mcp-protocol-version": version, "mcp-method": method} if version else {})}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(OneEra(app, era)), base_url="http://127.0.0.1:8000") as http,
    ):
        answer = await http.post("/mcp", json=body, headers=headers)
    document = json.loads(answer.content)
    return answer.status_code, document.get("error") or document["result"]


async def test_a_server_of_2026_refuses_initialize_with_the_versions_it_speaks() -> None:
    status, error = await _post(MODERN, "initialize", INITIALIZE, None)
    assert (status, error["code"], error["data"]) == (400, -32022, {"supported": [MODERN], "requested": SESSIONS})


async def test_a_server_of_2025_refuses_discover_without_a_code_of_2026() -> None:
    status, error = await _post(SESSIONS, "server/discover", DISCOVER, MODERN)
    assert (status, error["code"]) == (400, -32000)


async def test_each_serves_its_own_era() -> None:
    assert (await _post(SESSIONS, "initialize", INITIALIZE, None))[1]["protocolVersion"] == SESSIONS
    assert (await _post(MODERN, "server/discover", DISCOVER, MODERN))[1]["supportedVersions"] == [MODERN]
