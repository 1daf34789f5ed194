"""The only composition root: turns a configuration directory and a state directory into live objects and runs them.

Must never contain a decision, a rule or a format: if something here could be wrong in an interesting way, it belongs in
a room.
"""

from tallystick.wiring import followers, health
from tallystick.wiring.compose import Gateway
from tallystick.wiring.configure import Places, check, token_for
from tallystick.wiring.pin import pin
from tallystick.wiring.serve import run, serve, settle_memory
from tallystick.wiring.workers import supervise, work

__all__ = [
    "Gateway",
    "Places",
    "check",
    "followers",
    "health",
    "pin",
    "run",
    "serve",
    "settle_memory",
    "supervise",
    "token_for",
    "work",
]
