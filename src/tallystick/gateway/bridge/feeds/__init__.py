"""What servers say unasked, fanned in and handed to whoever wants it.

Must never ask a client on a stream that it shares with others, or tell it what it did not want to hear of.
"""

from tallystick.gateway.bridge.feeds.feed import Feed, Manners
from tallystick.gateway.bridge.feeds.listener import Listener
from tallystick.gateway.bridge.feeds.wanted import notifications_of

__all__ = ["Feed", "Listener", "Manners", "notifications_of"]
