"""Tests of `tallystick.wiring.record`."""
