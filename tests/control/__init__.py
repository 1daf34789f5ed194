"""Control state: one conformance suite for both databases."""
