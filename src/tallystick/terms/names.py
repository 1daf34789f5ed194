"""Identifiers, as distinct types, so that a tool name can never stand where a server name is expected."""

from typing import NewType

TenantId = NewType("TenantId", str)
"""Name of a tenant: `^[a-z0-9][a-z0-9-]{0,62}$`."""

ServerId = NewType("ServerId", str)
"""Name of a registered MCP server: `^[a-z0-9][a-z0-9-]{0,62}$`; no underscore, so `__` can separate it from a tool."""

ToolId = NewType("ToolId", str)
"""A tool's own name at its server, exactly as the server spells it."""

Digest = NewType("Digest", str)
"""`sha256:` followed by 64 lower-case hexadecimal digits."""
