"""The REST API as its callers see it: the messages, and a typed client over HTTPS, loopback or the machine's socket.

Also what else a terminal speaks: MCP with the gateway, and OAuth with the issuer that a console names. Must never
contain server code, a decision, or a way to read a token from somewhere: it is given one.
"""

from tallystick.remote import messages, sign_in
from tallystick.remote.client import Client, Sent, Versioned
from tallystick.remote.error import RemoteError
from tallystick.remote.gateway import Gateway, GatewayError
from tallystick.remote.place import Place, read_place
from tallystick.remote.plain import document_of, plain

__all__ = [
    "Client",
    "Gateway",
    "GatewayError",
    "Place",
    "RemoteError",
    "Sent",
    "Versioned",
    "document_of",
    "messages",
    "plain",
    "read_place",
    "sign_in",
]
