"""The REST API of the console: one table of routes, the OpenAPI document that follows from it, and the application.

Must never contain a decision (that is `policy.console`), a second way to change control state, or anything on the
gateway's listener.
"""

from tallystick.api.application import application
from tallystick.api.rooms import Archive, ConsoleRooms, Definitions, Hooks, Outgoing

__all__ = ["Archive", "ConsoleRooms", "Definitions", "Hooks", "Outgoing", "application"]
