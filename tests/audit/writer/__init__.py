"""Tests of `tallystick.audit.writer`."""
