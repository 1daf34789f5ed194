"""Control state over a gateway and over several."""
