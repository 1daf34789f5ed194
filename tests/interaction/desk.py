"""The MCP server under test, on the official SDK: a tool for each way in which a call can end.

`python -m tests.interaction.desk --journal FILE (--stdio | --port 0)` runs it as a process of its own.
"""

import argparse
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import uvicorn
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

from tests.interaction.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN = "unreviewed"
"""A tool that the server has and no configuration classifies."""


class Sum(BaseModel):
    """What `add` returns."""

    total: int


class Desk:
    """The tools. What is held is held in this object, so a server has one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._released: dict[str, anyio.Event] = {}

    async def echo(self, text: str) -> str:
        """Return the text."""
        return text

    async def add(self, a: int, b: int) -> Sum:
        """Add two numbers."""
        return Sum(total=a + b)

    async def fail(self, text: str) -> str:
        """Fail as a tool does."""
        raise ToolError(text)

    async def refuse(self, text: str, length: int) -> str:
        """Fail as a server does, with a JSON-RPC error of some length."""
        raise MCPError(-32042, text + "." * length)

    async def steps(self, count: int, ctx: Context) -> str:
        """Report progress step by step."""
        for step in range(1, count + 1):
            await ctx.report_progress(step, count, f"step {step}")
        return f"{count} steps"

    async def refuse_late(self, text: str, length: int, ctx: Context) -> str:
        """Report progress, hence answer as an event stream, then fail as a server does."""
        await ctx.report_progress(1, 2, "about to fail")
        raise MCPError(-32042, text + "." * length)

    async def hold(self, key: str) -> str:
        """Wait until `release` names the same key, or the call is cancelled."""
        released = self._released.setdefault(key, anyio.Event())
        self._journal.write("holding", key=key)
        try:
            await released.wait()
        except anyio.get_cancelled_exc_class():
            self._journal.write("cancelled", key=key)
            raise
        self._journal.write("let go", key=key)
        return f"released {key}"

    async def release(self, key: str, reason: str = "") -> str:
        """End the waiting of `hold`; a tool with a `reason` of its own."""
        del reason
        self._released.setdefault(key, anyio.Event()).set()
        return key

    async def big(self, size: int) -> str:
        """Return a text of `size` characters."""
        return "b" * size

    async def transfer(self, account: str, amount: int) -> str:
        """Move money."""
        return f"{amount} to {account}"

    async def close_account(self, account: str) -> str:
        """Close an account."""
        return account

    async def wipe(self, account: str) -> str:
        """Delete everything."""
        return account

    async def unreviewed(self, text: str) -> str:
        """Return the text; nobody has looked at this tool."""
        return text


def build(name: str, journal: Journal) -> MCPServer:
    """Return a server that journals every request that reaches it."""
    server = MCPServer(name, instructions=f"{name} under test", log_level="CRITICAL", middleware=[_recorder(journal)])
    desk = Desk(journal)
    for tool in (desk.echo, desk.add, desk.fail, desk.refuse, desk.refuse_late, desk.steps, desk.hold, desk.release):
        server.add_tool(tool)
    for tool in (desk.big, desk.transfer, desk.close_account, desk.wipe, desk.unreviewed):
        server.add_tool(tool)

    @server.resource("desk://rates/{name}", name="rates")
    def rates(name: str) -> str:
        """Return a rate."""
        return f"rate of {name}"

    @server.prompt("greet")
    def greet(name: str) -> str:
        """Greet somebody."""
        return f"Good morning, {name}"

    return server


def _recorder(journal: Journal) -> ServerMiddleware[object]:
    async def record(ctx: ServerRequestContext[object, object], call_next: CallNext) -> HandlerResult:
        params: Mapping[str, object] = ctx.params or {}
        journal.write("request", method=ctx.method, version=ctx.protocol_version)
        if ctx.method == "tools/call":
            journal.write("call", tool=params.get("name"), arguments=params.get("arguments"))
        return await call_next(ctx)

    return record


def main() -> None:
    """Run the server as a process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--stdio", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    server = build("desk", Journal(options.journal))
    if options.stdio:
        server.run("stdio")
        return
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        app = server.streamable_http_app(streamable_http_path="/mcp")
        uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
