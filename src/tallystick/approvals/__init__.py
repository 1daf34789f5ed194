"""Approvals: a human says yes before a risky call runs.

So far no grant can be given, so every obliged call is refused, and the refusal says so: an obligation is never ignored.
Must never contain a way around an obligation, nor decide which calls need one (policy does).
"""

from tallystick.approvals.clear import clear

__all__ = ["clear"]
