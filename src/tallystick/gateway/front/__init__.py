"""Streamable HTTP towards clients, both eras: one request in, its answer or its stream out, by the one corridor.

Must never contain a decision: it reads, refuses what is malformed, and writes what the corridor answers.
"""

from tallystick.gateway.front.asgi import Application
from tallystick.gateway.front.channel import Posted
from tallystick.gateway.front.front import Admission, Front
from tallystick.gateway.front.relay import Relay

__all__ = ["Admission", "Application", "Front", "Posted", "Relay"]
