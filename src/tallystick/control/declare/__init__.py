"""Declared state: documents in files to changes, what they would do, and the way back from resources to documents.

Pure. Never in here: a change that was not asked for, a conflict that is passed over in silence, or a secret's value in
anything that comes out.
"""

from tallystick.control.declare.difference import Difference
from tallystick.control.declare.directory import Directory, from_directory
from tallystick.control.declare.export import to_canonical_files, to_documents
from tallystick.control.declare.model import Item, Plan
from tallystick.control.declare.plan import plan
from tallystick.control.declare.read import read_documents, read_mappings
from tallystick.control.declare.tell import tell
from tallystick.control.declare.write import to_yaml

__all__ = [
    "Difference",
    "Directory",
    "Item",
    "Plan",
    "from_directory",
    "plan",
    "read_documents",
    "read_mappings",
    "tell",
    "to_canonical_files",
    "to_documents",
    "to_yaml",
]
