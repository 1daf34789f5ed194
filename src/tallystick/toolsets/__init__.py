"""Virtual servers: which tools a route offers and under which names.

Pure. It must never contain a decision about a caller (that is `policy`) or a server's address.
"""

from tallystick.toolsets.publish import Publication, PublishedTool, publish

__all__ = ["Publication", "PublishedTool", "publish"]
