"""A server on FastMCP with the tasks extension. Usage: PORT."""

import sys

import anyio
from fastmcp import FastMCP
from fastmcp_tasks import TasksExtension

server = FastMCP("tasks")
server.add_extension(TasksExtension())


@server.tool(task=True)
async def reconcile(accounts: int) -> str:
    """Compare bookings, account by account."""
    await anyio.sleep(0.05 * accounts)
    return f"{accounts} accounts agree"


server.run("http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
