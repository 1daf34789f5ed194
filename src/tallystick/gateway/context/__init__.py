"""What surrounds a call on its way to the record: why it is made, whose it is, what is kept of it, and its receipt.

Must never contain a decision about a call (policy, approvals), nor let anything that a client tells under our own
prefix reach a server.
"""

from tallystick.gateway.context.keep import Recording, money_of, person_of
from tallystick.gateway.context.receipt import with_receipt
from tallystick.gateway.context.told import NOTHING, Given, read, take, trace_of

__all__ = ["NOTHING", "Given", "Recording", "money_of", "person_of", "read", "take", "trace_of", "with_receipt"]
