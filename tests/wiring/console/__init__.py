"""The console, with everything behind it real."""
