"""What changed between two texts and two schemas. Pure; must never decide what follows from it."""

from tallystick.registry.definition.changes.model import Change, Direction
from tallystick.registry.definition.changes.schema import compare_schemas
from tallystick.registry.definition.changes.words import compare_words

__all__ = ["Change", "Direction", "compare_schemas", "compare_words"]
