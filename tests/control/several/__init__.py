"""Several processes over one control database."""
