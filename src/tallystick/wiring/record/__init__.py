"""What the record is told beside calls: sign-ins, retention classes.

Never in here: how a leaf is made durable, or a change that is in force before it is on record.
"""

from tallystick.wiring.record.retention import tell_classes
from tallystick.wiring.record.sign_ins import record_sign_ins

__all__ = ["record_sign_ins", "tell_classes"]
