"""`tally audit`: read, prove and verify the record from its files and public keys; no running Tallystick is needed.

Never in here: what makes a log whole or damaged (that is `audit.offline`), or a write to a log.
"""

from tallystick.cli.audit.group import DAMAGED, NOT_VERIFIED, audit, json_option, log_argument
from tallystick.cli.audit.keys import rotate_keys
from tallystick.cli.audit.read import proof, show, tail
from tallystick.cli.audit.verify import verifier, verify

__all__ = [
    "DAMAGED",
    "NOT_VERIFIED",
    "audit",
    "json_option",
    "log_argument",
    "proof",
    "rotate_keys",
    "show",
    "tail",
    "verifier",
    "verify",
]
