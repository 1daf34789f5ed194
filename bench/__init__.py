"""The benchmark: one governed call beside the same call made direct, through nginx and through another MCP proxy, in one run."""
