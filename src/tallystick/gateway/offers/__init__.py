"""Prompts and resources at the route of a toolset: what is listed of them, and whom a request for one is for.

Never in here: a decision of its own (what is listed is what may be asked for, by the one policy), or a request to a
server: a list comes from what was pinned.
"""

from tallystick.gateway.offers.find import UNKNOWN, find_prompt, find_resource
from tallystick.gateway.offers.lists import list_offers
from tallystick.gateway.offers.pinned import is_pinned, with_pinned

__all__ = ["UNKNOWN", "find_prompt", "find_resource", "is_pinned", "list_offers", "with_pinned"]
