"""MCP clients and servers that others wrote, each meeting a gateway that runs; what was seen is the support matrix."""
