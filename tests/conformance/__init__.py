"""The conformance harness, and what it finds."""
