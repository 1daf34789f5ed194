"""The official Python SDK 2.x as client: signs a person in by itself, lists, calls. Usage: URL ERA TOOL ARGUMENTS."""

import json
import sys

import anyio
import httpx2
from kept import CALLBACK, Storage, hinted, parameters
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

MODES = {"2025-11-25": "legacy"}


async def main(url: str, era: str, tool: str, arguments: dict[str, object]) -> None:
    """Print what was negotiated, listed and answered."""
    came_back: dict[str, str] = {}

    async def open_page(page: str) -> None:
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(hinted(page))
        came_back.update(parameters(answer.headers["location"]))

    async def wait_for_answer() -> AuthorizationCodeResult:
        return AuthorizationCodeResult.model_validate(came_back)

    storage = Storage()
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="Python SDK 2.x"),
        storage=storage,
        redirect_handler=open_page,
        callback_handler=wait_for_answer,
    )
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=MODES.get(era, era)) as client,
    ):
        tools = [entry.name for entry in (await client.list_tools()).tools]
        result = await client.call_tool(tool, arguments)
        saw = {"era": client.protocol_version, "tools": tools, "text": result.content[0].text}
    sys.stdout.write(json.dumps({**saw, "registered": storage.client is not None}) + "\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
