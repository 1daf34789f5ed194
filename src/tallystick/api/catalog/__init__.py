"""The catalog: the MCP Registry API v0.1, as VS Code and GitHub Copilot call it, for a tenant or one of its teams.

It shows what is approved and served, at the gateway's URLs. It must never show anything else, in any view, nor an
address behind the gateway, nor make anything more than a draft.
"""

from tallystick.api.catalog.address import namespace_of
from tallystick.api.catalog.answer import catalog
from tallystick.api.catalog.rooms import Action, CatalogRooms, Declined

__all__ = ["Action", "CatalogRooms", "Declined", "catalog", "namespace_of"]
