"""Reading, proving and verifying a log from its files and public keys alone (C2SP tlog-tiles, tlog-proof@v1).

Needs no running Tallystick and no secret. Damage is returned as values that name the file and the index.
"""

from tallystick.audit.leaf.call import disclose
from tallystick.audit.offline.follow import Followed, UntrustedError
from tallystick.audit.offline.others import ask_witness
from tallystick.audit.offline.prove import check_proof, prove, read_receipt
from tallystick.audit.offline.read import (
    Damage,
    UnreadableError,
    Untold,
    first_at,
    is_fields,
    origin_of,
    read_fields,
    read_leaves,
    read_vkey,
    reader,
    size_of,
    stated_size,
    text,
)
from tallystick.audit.offline.report import Report, Wanted
from tallystick.audit.offline.verify import verify_log
from tallystick.audit.scale.opening import mirror
from tallystick.audit.standalone import VERIFIER
from tallystick.audit.tlog.note import Checkpoint, parse_vkeys
from tallystick.audit.tlog.policy import Policy, parse_policy

__all__ = [
    "VERIFIER",
    "Checkpoint",
    "Damage",
    "Followed",
    "Policy",
    "Report",
    "UnreadableError",
    "Untold",
    "UntrustedError",
    "Wanted",
    "ask_witness",
    "check_proof",
    "disclose",
    "first_at",
    "is_fields",
    "mirror",
    "origin_of",
    "parse_policy",
    "parse_vkeys",
    "prove",
    "read_fields",
    "read_leaves",
    "read_receipt",
    "read_vkey",
    "reader",
    "size_of",
    "stated_size",
    "text",
    "verify_log",
]
