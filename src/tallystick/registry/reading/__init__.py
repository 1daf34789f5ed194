"""Documents to nouns: one document at a time (`read`), then all of them together (`join`); `parse` does both.

Reading one document needs nothing but that document (a server's also its pin), so what did not change need not be read
again. Never in here: I/O, or what a toolset publishes.
"""

from tallystick.registry.reading.join import Parser, join, parse
from tallystick.registry.reading.read import FOLDERS, Entry, Read, read
from tallystick.registry.reading.words import NAME

__all__ = ["FOLDERS", "NAME", "Entry", "Parser", "Read", "join", "parse", "read"]
