"""Followers of one installation: which sinks its configuration names, and the process that serves them."""

from tallystick.wiring.compose import clock
from tallystick.wiring.followers.follow import Following, follow, sinks_in, source_of

__all__ = ["Following", "clock", "follow", "sinks_in", "source_of"]
