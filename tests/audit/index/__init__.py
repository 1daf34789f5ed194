"""Tests of `tallystick.audit.index`."""
