"""Documents to nouns."""
