"""The table of kinds: what each is called, where its files are, and the JSON Schema of what may stand in them.

The schemas say what the parsers of `reading` accept, no more and no less, as far as the shape of one document tells.
Never in here: what a document means.
"""

from tallystick.registry.kinds.schema import (
    API_VERSION,
    POLICY_NAME,
    document_schema,
    documents_schema,
    file_schema,
    schemas,
    spec_schema,
)
from tallystick.registry.kinds.table import KINDS, KindEntry

__all__ = [
    "API_VERSION",
    "KINDS",
    "POLICY_NAME",
    "KindEntry",
    "document_schema",
    "documents_schema",
    "file_schema",
    "schemas",
    "spec_schema",
]
