"""Tests of the room `toolsets`."""
