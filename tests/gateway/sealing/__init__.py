"""Tests of what clients keep for the gateway."""
