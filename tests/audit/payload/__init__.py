"""Tests of the payload store: real keys, real files, real servers."""
