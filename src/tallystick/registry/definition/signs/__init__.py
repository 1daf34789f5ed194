"""Signs in what a server says of itself: letters that do not show, look-alike names, words for the model.

Pure and modest: it points a reviewer at a place. Must never be what keeps a tool from being called; that is the pin.
"""

from tallystick.registry.definition.signs.letters import find_letters
from tallystick.registry.definition.signs.lookalike import find_lookalikes, find_name, skeleton
from tallystick.registry.definition.signs.model import Sign
from tallystick.registry.definition.signs.phrases import find_phrases, find_references

__all__ = ["Sign", "find_letters", "find_lookalikes", "find_name", "find_phrases", "find_references", "skeleton"]
