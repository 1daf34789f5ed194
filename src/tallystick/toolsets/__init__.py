"""Virtual servers: which tools, prompts and resources a route offers, under which names, to whom, and how much of it.

Pure. It must never contain a decision about what a caller may do (that is `policy`: a toolset only says who finds it)
or a server's address.
"""

from tallystick.toolsets.entrance import Admitted, Entrance
from tallystick.toolsets.model import Publication, PublishedPrompt, PublishedTool
from tallystick.toolsets.publish import publish, publish_server, publish_toolset
from tallystick.toolsets.resources import PublishedResource, Resources
from tallystick.toolsets.trimming import trim_result, trim_task

__all__ = [
    "Admitted",
    "Entrance",
    "Publication",
    "PublishedPrompt",
    "PublishedResource",
    "PublishedTool",
    "Resources",
    "publish",
    "publish_server",
    "publish_toolset",
    "trim_result",
    "trim_task",
]
