"""What each route does, one file per noun, and the one table of them.

Must never contain HTTP parsing, or an answer without a permit.
"""

from tallystick.api.routes.model import Asked, Result, Route
from tallystick.api.routes.table import METADATA, ROUTES

__all__ = ["METADATA", "ROUTES", "Asked", "Result", "Route"]
