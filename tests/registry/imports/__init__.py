"""Imports: samples of every format, written from its documentation, and what becomes of each leaf in them."""
