"""What the leaves of a log say: their form, how they go together, and what is held against other files.

Never in here: trust in a leaf. Who calls has verified its hash; what it says is judged all the same.
"""

from tallystick.audit.offline.content.forms import fault
from tallystick.audit.offline.content.kept import Forgotten, Kept, Payload, check_kept, forgotten
from tallystick.audit.offline.content.story import Story, ended
from tallystick.audit.offline.content.told import check_told

__all__ = ["Forgotten", "Kept", "Payload", "Story", "check_kept", "check_told", "ended", "fault", "forgotten"]
