"""The REST API of the console."""
