"""Tests mirror the rooms: tests/<room> tests src/tallystick/<room>."""
