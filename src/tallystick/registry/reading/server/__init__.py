"""A server's document: how it is reached, what its owner says of it, and its tools as classified there and pinned."""

from tallystick.registry.reading.server.server import parse_server

__all__ = ["parse_server"]
