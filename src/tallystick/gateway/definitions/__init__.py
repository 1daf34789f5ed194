"""What servers say of themselves: asked over the one way out, compared with what was approved, held back if different.

Must never open a way to a server of its own, let a call pass unchecked because its server would not be asked, or let go
of what is held back.
"""

from tallystick.gateway.definitions.ask import ask
from tallystick.gateway.definitions.model import Bounds, Clocks, Quarantines, Report
from tallystick.gateway.definitions.observe import View
from tallystick.gateway.definitions.rounds import Rounds
from tallystick.gateway.definitions.watch import Watch

__all__ = ["Bounds", "Clocks", "Quarantines", "Report", "Rounds", "View", "Watch", "ask"]
