"""A server on the official SDK that asks its client in the middle of calls: `official_server.py [PORT]`, stdio without.

It speaks both eras; in the one with sessions its questions are requests of their own.
"""

import sys

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("official")


class Name(BaseModel):
    """What is asked of a person."""

    name: str


@server.tool()
async def greet(ctx: Context) -> str:
    """Ask for a name, by a form."""
    await ctx.report_progress(1, 2)
    answered = await ctx.elicit("Who are you?", Name)
    return f"hello {answered.data.name}" if answered.action == "accept" else answered.action


@server.tool()
async def think(ctx: Context) -> str:
    """Ask for a completion."""
    messages = [SamplingMessage(role="user", content=TextContent(type="text", text="2+2"))]
    said = await ctx.session.create_message(  # pyright: ignore[reportDeprecated] - older servers do
        messages, max_tokens=10, related_request_id=ctx.request_id
    )
    return str(said.content.text) if isinstance(said.content, TextContent) else "?"


@server.tool()
async def look(ctx: Context) -> str:
    """Ask for the roots; this SDK does that over the stream of nobody's request, where there is one."""
    roots = await ctx.session.list_roots()  # pyright: ignore[reportDeprecated] - older servers do
    return ",".join(str(root.uri) for root in roots.roots)


@server.tool()
async def change(ctx: Context) -> str:
    """Say that the list of tools has changed."""
    await ctx.session.send_tool_list_changed()
    await ctx.notify_tools_changed()
    return "changed"


@server.tool()
def large(size: int) -> str:
    """Return a text of so many letters."""
    return "x" * size


if len(sys.argv) > 1:
    import uvicorn

    uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
else:
    server.run("stdio")
