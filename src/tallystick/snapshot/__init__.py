"""One immutable, digested value that holds everything the data path needs to know, and the place where it is swapped.

Compiled from documents, of files or of the control database: all or nothing. It must never contain I/O, and nothing in
it may change after it was built.
"""

from tallystick.snapshot.compile import Compiler, compile_snapshot
from tallystick.snapshot.document import Document, read_documents
from tallystick.snapshot.holder import Holder
from tallystick.snapshot.model import Route, RoutedTool, Snapshot
from tallystick.snapshot.reason import LONGEST as LONGEST_REASON
from tallystick.snapshot.reason import fits as fits_reason
from tallystick.snapshot.resolve import find_route, resolve

__all__ = [
    "LONGEST_REASON",
    "Compiler",
    "Document",
    "Holder",
    "Route",
    "RoutedTool",
    "Snapshot",
    "compile_snapshot",
    "find_route",
    "fits_reason",
    "read_documents",
    "resolve",
]
