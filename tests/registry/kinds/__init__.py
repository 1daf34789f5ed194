"""The table of kinds: schemas and parsers say the same."""
