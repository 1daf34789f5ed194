"""Control state as one process has it: opened, kept on record, followed, and changed by the directory.

Never in here: what a change means or whether it may be made (that is the room `control`).
"""

from tallystick.wiring.control.govern import Governing
from tallystick.wiring.control.open import governed
from tallystick.wiring.control.seen import Seen

__all__ = ["Governing", "Seen", "governed"]
