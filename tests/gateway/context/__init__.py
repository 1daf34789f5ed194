"""Tests of what surrounds a call on its way to the record."""
