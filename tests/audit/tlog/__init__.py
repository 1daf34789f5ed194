"""Tests of `tallystick.audit.tlog`."""
