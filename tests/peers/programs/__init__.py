"""Programs that run in the peers' own environments, beside libraries that the project's own does not hold."""
