"""What clients keep for the gateway: session ids, request states, cursors and task ids, sealed with our own key.

Any replica with the key opens them, nobody else can make one. Must never contain a decision about a call: a sealed
value says where a client was, not what it may do.
"""

from tallystick.gateway.sealing.held import Held, Keeper
from tallystick.gateway.sealing.seal import Seal, about
from tallystick.gateway.sealing.session import Session, Sessions, binding_of
from tallystick.gateway.sealing.store import Store

__all__ = ["Held", "Keeper", "Seal", "Session", "Sessions", "Store", "about", "binding_of"]
