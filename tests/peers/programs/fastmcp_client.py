"""FastMCP's client as it is: it opens the browser that the variable BROWSER names. Usage: URL ERA TOOL ARGUMENTS."""

import json
import sys

import anyio
from fastmcp import Client
from fastmcp.client.auth import OAuth

MODES = {"2025-11-25": "legacy"}


async def main(url: str, era: str, tool: str, arguments: dict[str, object]) -> None:
    """Print what was negotiated, listed and answered."""
    sign_in = OAuth()
    async with Client(url, auth=sign_in, mode=MODES.get(era, era)) as client:
        tools = [entry.name for entry in await client.list_tools()]
        result = await client.call_tool(tool, arguments)
        saw = {"era": client.session.protocol_version, "tools": tools, "text": result.content[0].text}
    registered = sign_in.context.client_info is not None
    sys.stdout.write(json.dumps({**saw, "registered": registered}) + "\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
