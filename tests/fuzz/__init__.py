"""The wire room against bytes that nobody wrote."""
