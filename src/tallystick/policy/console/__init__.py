"""What may be done at the console: actions, what each role may do, and the one function that decides.

The same engine as for calls, with a policy set of its own: roles permit, and a firm's own policies may only forbid.
Must never contain HTTP, or a right that no role gives.
"""

from tallystick.policy.console.actions import ACTIONS, CHANGING, NOUNS, READING, action_of
from tallystick.policy.console.decide import Console, Question, decide, permits, roles_only
from tallystick.policy.console.firm import compile_console, speaks_of_console
from tallystick.policy.console.roles import EVERYWHERE, Held, RoleFacts, held, roles_at

__all__ = [
    "ACTIONS",
    "CHANGING",
    "EVERYWHERE",
    "NOUNS",
    "READING",
    "Console",
    "Held",
    "Question",
    "RoleFacts",
    "action_of",
    "compile_console",
    "decide",
    "held",
    "permits",
    "roles_at",
    "roles_only",
    "speaks_of_console",
]
