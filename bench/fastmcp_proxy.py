"""The FastMCP proxy over one shared, connected client: its fastest form. Runs in var/bench/venv, where fastmcp is.

`python bench/fastmcp_proxy.py UPSTREAM_URL PORT`.
"""

import asyncio
import sys

import fastmcp
from fastmcp import Client
from fastmcp.server.providers.proxy import FastMCPProxy


async def _serve(upstream: str, port: int) -> None:
    async with Client(upstream) as client:
        proxy = FastMCPProxy(client_factory=lambda: client, name="bench")
        quiet = {"show_banner": False, "log_level": "error"}
        await proxy.run_http_async(host="127.0.0.1", port=port, path="/mcp", json_response=True, **quiet)


if __name__ == "__main__":
    fastmcp.settings.check_for_updates = "off"
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
