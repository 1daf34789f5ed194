"""The client's side of a call: what is told to it, what it is asked, and when it has gone.

MCP 2025-11-25, basic/transports: a server may send requests on the stream of a client's request, and the client posts
its responses. 2026-07-28 has no such requests. Must never contain HTTP, nor anything about servers.
"""

from tallystick.gateway.client.channel import Channel
from tallystick.gateway.client.questions import Questions
from tallystick.gateway.client.side import Side

__all__ = ["Channel", "Questions", "Side"]
