"""Programs that run in the environments of the oracles, not in ours."""
