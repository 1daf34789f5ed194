"""Tests of `toolsets.trimming`."""
