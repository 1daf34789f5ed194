"""The data path: every MCP message travels one corridor through eight rooms, and this room alone talks to servers.

Must never contain a decision (policy), a rule about identity, a second way to a server, or a second corridor.
"""

from tallystick.gateway.answer import record_left
from tallystick.gateway.corridor import travel
from tallystick.gateway.front import Admission, Application, Front, Posted, Relay
from tallystick.gateway.rooms import Rooms, Streams
from tallystick.gateway.upstream import Outbound, Upstream

__all__ = [
    "Admission",
    "Application",
    "Front",
    "Outbound",
    "Posted",
    "Relay",
    "Rooms",
    "Streams",
    "Upstream",
    "record_left",
    "travel",
]
