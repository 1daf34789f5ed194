"""Compiles policies at the size of an enterprise: thousands of tools, hundreds of policies, one of them changed.

Pure. Each policy is studied once, checked only against the kinds of request that it can tell apart, and found again by
its scope. It must never contain an answer to a caller, nor a way to skip a check because something else was sound.
"""

from tallystick.policy.compiling.possible import Able
from tallystick.policy.compiling.rules import Rules
from tallystick.policy.compiling.study import Study, bound_to, read_policies
from tallystick.policy.compiling.types import Checker
from tallystick.policy.compiling.world import Known, Target, World

__all__ = ["Able", "Checker", "Known", "Rules", "Study", "Target", "World", "bound_to", "read_policies"]
