"""The official Python SDK 1.x as client: signs a person in by itself, lists, calls. Usage: URL ERA TOOL ARGUMENTS."""

import json
import sys

import anyio
import httpx
from kept import CALLBACK, Storage, hinted, parameters
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata


async def main(url: str, tool: str, arguments: dict[str, object]) -> None:
    """Print what was negotiated, listed and answered."""
    came_back: dict[str, str] = {}

    async def open_page(page: str) -> None:
        async with httpx.AsyncClient() as browser:
            answer = await browser.get(hinted(page))
        came_back.update(parameters(answer.headers["location"]))

    async def wait_for_answer() -> tuple[str, str]:
        return came_back["code"], came_back["state"]

    storage = Storage()
    metadata = OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="Python SDK 1.x")
    provider = OAuthClientProvider(url, metadata, storage, open_page, wait_for_answer)
    async with (
        httpx.AsyncClient(auth=provider, timeout=30, follow_redirects=True) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        hello = await session.initialize()
        tools = [entry.name for entry in (await session.list_tools()).tools]
        result = await session.call_tool(tool, arguments)
    saw = {"era": hello.protocolVersion, "tools": tools, "text": result.content[0].text}
    sys.stdout.write(json.dumps({**saw, "registered": storage.client is not None}) + "\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[3], json.loads(sys.argv[4]))
