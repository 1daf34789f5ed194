"""Argument rules."""
