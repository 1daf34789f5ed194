"""Attacks on a running gateway, one test per advisory that concerns it (docs/security/advisories.md)."""
