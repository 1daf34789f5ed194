"""Real SDK clients through a real gateway to real SDK servers, in every era, over every transport, on every kind of route."""
