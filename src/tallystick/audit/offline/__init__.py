"""Reading, proving and verifying a log from its files and public key alone (C2SP tlog-tiles, tlog-proof@v1).

Needs no running Tallystick and no secret. Damage is returned as values that name the file and the index.
"""

from tallystick.audit.leaf.call import disclose
from tallystick.audit.offline.prove import check_proof, prove
from tallystick.audit.offline.read import (
    Damage,
    UnreadableError,
    is_fields,
    read_fields,
    read_leaves,
    read_vkey,
    size_of,
)
from tallystick.audit.offline.verify import Report, verify_log

__all__ = [
    "Damage",
    "Report",
    "UnreadableError",
    "check_proof",
    "disclose",
    "is_fields",
    "prove",
    "read_fields",
    "read_leaves",
    "read_vkey",
    "size_of",
    "verify_log",
]
