"""Tests of `tallystick.audit.offline`."""
