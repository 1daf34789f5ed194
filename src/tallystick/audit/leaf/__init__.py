"""Leaves: canonical JSON of what happened (RFC 8785), at most 8 KiB, with keyed commitments instead of payloads.

Never in here: arguments, results or prompts in clear, I/O, or a clock.
"""

from tallystick.audit.leaf.call import call_id, canonical, commit, disclose, encode, glance, subject_ref, timestamp
from tallystick.audit.leaf.event import event, kind_of

__all__ = [
    "call_id",
    "canonical",
    "commit",
    "disclose",
    "encode",
    "event",
    "glance",
    "kind_of",
    "subject_ref",
    "timestamp",
]
