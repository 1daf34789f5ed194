"""The only way out: sends a request to an MCP server and follows it to exactly one end.

Must never decide whether a call may run, nor see the token of the client that asked.
"""

from tallystick.gateway.upstream.connector import Connector
from tallystick.gateway.upstream.conversation import Cancellation, Exchange, Outbound, Upstream
from tallystick.gateway.upstream.fetch import Fetcher
from tallystick.gateway.upstream.http import HttpUpstream
from tallystick.gateway.upstream.stdio import StdioUpstream

__all__ = ["Cancellation", "Connector", "Exchange", "Fetcher", "HttpUpstream", "Outbound", "StdioUpstream", "Upstream"]
