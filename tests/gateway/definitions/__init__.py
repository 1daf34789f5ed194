"""Asking servers what they are."""
