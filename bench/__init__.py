"""The benchmark: one governed call beside the same call made direct, through nginx and another MCP proxy, at once."""
