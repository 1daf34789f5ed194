"""Tests of what stands under `examples/`."""
