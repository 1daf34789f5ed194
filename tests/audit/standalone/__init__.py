"""Tests of the verifier that is one file."""
