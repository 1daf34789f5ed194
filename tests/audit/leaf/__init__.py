"""Tests of `tallystick.audit.leaf`."""
