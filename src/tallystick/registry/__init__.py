"""What exists: tenants, issuers, servers, their tools and the pinned definitions, toolsets.

Pure: plain documents in, frozen values or every problem out. It must never contain I/O, the meaning of a policy, or
anything that a server says about itself beyond the definition that was pinned.
"""

from tallystick.registry.digest import digest_definition
from tallystick.registry.model import (
    HttpTransport,
    IssuerEntry,
    Limits,
    Pin,
    Registry,
    Server,
    StdioTransport,
    Tenant,
    Tool,
    Toolset,
)
from tallystick.registry.parse import parse

__all__ = [
    "HttpTransport",
    "IssuerEntry",
    "Limits",
    "Pin",
    "Registry",
    "Server",
    "StdioTransport",
    "Tenant",
    "Tool",
    "Toolset",
    "digest_definition",
    "parse",
]
