"""What is recorded beside calls: changes of the configuration, and sign-ins at the development issuer.

Never in here: how a leaf is made durable, or a change that is in force before it is on record.
"""

from tallystick.wiring.record.changes import changed
from tallystick.wiring.record.sign_ins import record_sign_ins

__all__ = ["changed", "record_sign_ins"]
