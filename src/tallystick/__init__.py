"""Tallystick: a self-hosted control plane between AI agents and MCP servers, for regulated firms."""
