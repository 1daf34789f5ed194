"""Tests of the wiring room."""
