"""A server on the official SDK that asks its client in the middle of calls: `official_server.py [PORT]`, stdio without.

It speaks both eras; in the one with sessions its questions are requests of their own, and its streams can be resumed.
"""

import sys
from itertools import count

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp_types import JSONRPCMessage, SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("official")


class Replay(EventStore):
    """All events of this process, in memory."""

    def __init__(self) -> None:
        self._next = count(1)
        self._events: dict[EventId, tuple[StreamId, JSONRPCMessage | None]] = {}

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        """Keep an event under the next number."""
        name = str(next(self._next))
        self._events[name] = (stream_id, message)
        return name

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        """Send what a stream has said since."""
        stream = self._events[last_event_id][0] if last_event_id in self._events else None
        for name, (of, message) in tuple(self._events.items()):
            if of == stream and message is not None and int(name) > int(last_event_id):
                await send_callback(EventMessage(message, name))
        return stream


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
async def poll(times: int, ctx: Context) -> str:
    """Close the stream again and again before there is an answer, and ask for a name while it is closed."""
    for number in range(1, times + 1):
        # This SDK says that a stream can be resumed from a task of its own; before that it must not be closed.
        await anyio.sleep(0.05)
        await ctx.close_sse_stream()
        await ctx.report_progress(number, times)
    answered = await ctx.elicit("Who are you?", Name)
    await ctx.close_sse_stream()
    return f"hello {answered.data.name}" if answered.action == "accept" else answered.action


@server.tool()
async def rest(ctx: Context) -> str:
    """Close the stream of nobody's request, and say something while it is closed."""
    await ctx.close_standalone_sse_stream()
    await ctx.session.send_tool_list_changed()
    return "closed"


@server.tool()
def large(size: int) -> str:
    """Return a text of so many letters."""
    return "x" * size


if len(sys.argv) > 1:
    import uvicorn

    app = server.streamable_http_app(event_store=Replay(), retry_interval=20)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
else:
    server.run("stdio")
