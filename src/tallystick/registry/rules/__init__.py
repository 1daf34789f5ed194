"""Argument rules: what a tool, or a toolset, allows less than the pinned inputSchema does (JSON Schema 2020-12).

`tighten` gives a schema that accepts a part of what the given one accepts, or says why the rules ask for more.
Pure. Never in here: a rule that widens, or a judgement of a call (that is `guard`, by the schema that comes out).
"""

from tallystick.registry.rules.keywords import KEYWORDS, OTHERS, read_rules
from tallystick.registry.rules.tighten import tighten

__all__ = ["KEYWORDS", "OTHERS", "read_rules", "tighten"]
