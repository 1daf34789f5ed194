"""Tests of `tallystick.audit.log`."""
