"""Configuration files of MCP clients: what each looks like, as data, and one reader of their entries."""

from tallystick.registry.imports.clients.entries import read_client
from tallystick.registry.imports.clients.table import CLIENTS, Client

__all__ = ["CLIENTS", "Client", "read_client"]
