"""The listener: HTTP/1.1 towards clients, hardened, in front of the gateway.

Must never contain a decision about a call, nor anything about MCP.
"""

from tallystick.wiring.listener.door import Bounds, Door
from tallystick.wiring.listener.protocol import Config
from tallystick.wiring.listener.whole import Taker

__all__ = ["Bounds", "Config", "Door", "Taker"]
