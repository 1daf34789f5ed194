"""Approvals: whatever policy obliges to has happened before a call runs: it is explained, or a human said yes.

So far no grant can be given, so every call that needs one is refused, and the refusal says so: an obligation is never
ignored.
Must never contain a way around an obligation, nor decide which calls need one (policy does).
"""

from tallystick.approvals.clear import clear

__all__ = ["clear"]
