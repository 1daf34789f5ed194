"""What exists: tenants, issuers, servers, their tools and the pinned definitions, toolsets, grants, agents and roles.

Pure: plain documents in, frozen values or every problem out. It must never contain I/O, the meaning of a policy, or
anything that a server says about itself beyond the definition that was pinned.
"""

from tallystick.registry import definition, imports, kinds, model, reading, rules, toolset
from tallystick.registry.model import Registry, Server, Tool, Toolset
from tallystick.registry.propose import propose

__all__ = [
    "Registry",
    "Server",
    "Tool",
    "Toolset",
    "definition",
    "imports",
    "kinds",
    "model",
    "propose",
    "reading",
    "rules",
    "toolset",
]
