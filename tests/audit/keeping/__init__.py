"""Tests of `tallystick.audit.keeping`."""
