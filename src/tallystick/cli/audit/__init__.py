"""`tally audit`: read, prove and verify the record from its files and public keys; no running Tallystick is needed.

Never in here: what makes a log whole or damaged (that is `audit.offline`), or a write to a log.
"""

from tallystick.cli.audit.group import DAMAGED, NOT_VERIFIED, audit, json_option, log_argument
from tallystick.cli.audit.keeping import cost, erase, expire, hold, prune, retention, subject_access, tier
from tallystick.cli.audit.keys import rotate_keys
from tallystick.cli.audit.mirror import mirror
from tallystick.cli.audit.orders import give_for, tenant_option
from tallystick.cli.audit.payloads import reveal
from tallystick.cli.audit.read import events, proof, show, tail
from tallystick.cli.audit.search import search
from tallystick.cli.audit.verify import verifier, verify

__all__ = [
    "DAMAGED",
    "NOT_VERIFIED",
    "audit",
    "cost",
    "erase",
    "events",
    "expire",
    "give_for",
    "hold",
    "json_option",
    "log_argument",
    "mirror",
    "proof",
    "prune",
    "retention",
    "reveal",
    "rotate_keys",
    "search",
    "show",
    "subject_access",
    "tail",
    "tenant_option",
    "tier",
    "verifier",
    "verify",
]
