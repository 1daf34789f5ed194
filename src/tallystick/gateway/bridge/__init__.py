"""Between the corridor, which speaks its client's era, and a way to a server, which speaks the server's.

Where both speak the same era nothing is touched. Must never decide whether a call may run, open a connection, or know
how an era is framed on a transport.
"""

from tallystick.gateway.bridge.bridge import Bridge, Setting
from tallystick.gateway.bridge.circuit import Health
from tallystick.gateway.bridge.heard import Alone
from tallystick.gateway.bridge.park import Park
from tallystick.gateway.bridge.way import drawn

__all__ = ["Alone", "Bridge", "Health", "Park", "Setting", "drawn"]
