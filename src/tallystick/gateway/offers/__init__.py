"""Prompts and resources at the route of a toolset: what is listed of them, and whom a request for one is for.

Never in here: a decision of its own (what is listed is what may be asked for, by the one policy), or a request to a
server: a list comes from what was pinned.
"""

from tallystick.gateway.offers.find import find_prompt, find_resource
from tallystick.gateway.offers.lists import list_offers

__all__ = ["find_prompt", "find_resource", "list_offers"]
