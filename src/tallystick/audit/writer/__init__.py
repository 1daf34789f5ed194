"""The writer process: one order for the leaves of all clients, one holder of the signing keys.

Never in here: what a leaf says, how a tree is hashed, or a second process on one state directory.
"""

from tallystick.audit.writer.process import listen, main, socket_of

__all__ = ["listen", "main", "socket_of"]
