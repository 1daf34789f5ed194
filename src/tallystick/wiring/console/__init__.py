"""The console of one process: its own listener, the socket of this machine's user, and what the API is given.

Never in here: a route, a role, or an answer (that is the room `api`).
"""

from tallystick.wiring.console.listen import console_of

__all__ = ["console_of"]
