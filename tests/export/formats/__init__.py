"""Events for SIEMs: checked against published schemas and by parsers that others wrote."""
