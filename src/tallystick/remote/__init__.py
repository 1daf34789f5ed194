"""The REST API as its callers see it: the messages, and a typed client over HTTPS, loopback or the machine's socket.

Must never contain server code, a decision, or a way to read a token from somewhere: it is given one.
"""

from tallystick.remote import messages
from tallystick.remote.client import Client, Versioned
from tallystick.remote.error import RemoteError
from tallystick.remote.place import Place, read_place

__all__ = ["Client", "Place", "RemoteError", "Versioned", "messages", "read_place"]
