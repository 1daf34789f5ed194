"""Programs that run beside libraries of others, in an environment of their own."""
