"""What each worker says of its servers, in a file of its own, for whoever operates the gateway.

Must never be read by a gateway, or be written on the path of a call: a file that is missing, old or wrong changes
nothing.
"""

from tallystick.wiring.health.model import ServerHealth, WorkerHealth
from tallystick.wiring.health.read import health_of
from tallystick.wiring.health.tell import tell_health

__all__ = ["ServerHealth", "WorkerHealth", "health_of", "tell_health"]
