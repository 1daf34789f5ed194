"""Declared state: documents to changes, plans, and the way back."""
