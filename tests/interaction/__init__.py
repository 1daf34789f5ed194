"""Real SDK clients through a real gateway to real SDK servers: every era, every transport, every kind of route."""
