"""How the gateway opens a conversation at a server: what it says of the client for which it asks, and of itself."""

from collections.abc import Mapping
from typing import Final

from tallystick.gateway.upstream.model import Client
from tallystick.wire import Era, bridge

GATEWAY: Final[Mapping[str, object]] = {"name": "tallystick", "version": "0.1"}
"""The gateway as an MCP Implementation."""

SERVED: Final = Client({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})
"""What a process that many clients share is told: all that the gateway can pass on to one of them."""


def opening_params(client: Client, era: Era) -> dict[str, object]:
    """Return the parameters of `initialize` (2025-11-25, basic/lifecycle)."""
    return {
        "protocolVersion": era.version,
        "capabilities": bridge.client_capabilities(client.capabilities, era),
        "clientInfo": GATEWAY if client.implementation is None else client.implementation,
    }


def discovery_params(era: Era) -> dict[str, object]:
    """Return the parameters of `server/discover` that the gateway sends for itself (2026-07-28, server/discover)."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": era.version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": GATEWAY,
    }
    return {"_meta": meta}
