"""A server on the official Python SDK 1.x. Usage: PORT stateful|stateless."""

import sys

from mcp.server.fastmcp import Context, FastMCP

PORT, KIND = sys.argv[1:]
stateless = KIND == "stateless"
server = FastMCP("sdk-1", port=int(PORT), stateless_http=stateless, json_response=stateless)


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Count aloud."""
    for step in range(1, to + 1):
        await ctx.report_progress(step, to)
    return f"counted to {to}"


@server.resource("notes://today")
def today() -> str:
    """What is to be done."""
    return "Reconcile."


@server.resource("notes://{day}")
def some_day(day: str) -> str:
    """What is to be done on a day."""
    return f"Nothing on {day}."


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


server.run("streamable-http")
