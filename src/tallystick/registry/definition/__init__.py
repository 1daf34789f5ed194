"""What a server says that it is: its canonical definition, whether it is what was pinned, and what differs.

Pure. Must never ask a server, nor decide what happens to one that differs beyond naming it.
"""

from tallystick.registry.definition import deployed, model, plain, read, signs, told
from tallystick.registry.definition.compare import compare, expected
from tallystick.registry.definition.diff import diff, inspect
from tallystick.registry.definition.model import SERVER, Definition, Finding
from tallystick.registry.definition.read import of_document, of_pin, pin_document
from tallystick.registry.definition.told import to_json, to_text

__all__ = [
    "SERVER",
    "Definition",
    "Finding",
    "compare",
    "deployed",
    "diff",
    "expected",
    "inspect",
    "model",
    "of_document",
    "of_pin",
    "pin_document",
    "plain",
    "read",
    "signs",
    "to_json",
    "to_text",
    "told",
]
