"""The only way out: sends a request to an MCP server and follows it to exactly one end.

Must never decide whether a call may run, translate between eras, nor see the token of the client that asked.
"""

from tallystick.gateway.upstream.connector import Connector
from tallystick.gateway.upstream.fetch import Fetcher
from tallystick.gateway.upstream.http import HttpTransport
from tallystick.gateway.upstream.model import Cancellation, Client, Exchange, Outbound, Transport, Upstream, Wanted
from tallystick.gateway.upstream.stdio import StdioTransport

__all__ = [
    "Cancellation",
    "Client",
    "Connector",
    "Exchange",
    "Fetcher",
    "HttpTransport",
    "Outbound",
    "StdioTransport",
    "Transport",
    "Upstream",
    "Wanted",
]
