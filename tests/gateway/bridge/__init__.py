"""Bridging: every era of client on every era of server, over both transports."""
