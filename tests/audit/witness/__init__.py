"""Tests of witnesses: the server, and the client that asks them."""
