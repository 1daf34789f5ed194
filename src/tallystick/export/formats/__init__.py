"""Events for SIEMs: each leaf becomes one OCSF 1.8 event, and every other format is derived from that.

Never in here: I/O, a clock, payloads (leaves have none), or state between two events.
"""

from tallystick.export.formats.derived import FORMATS, Format, collection_rule, otlp_request, table
from tallystick.export.formats.leaf import Entry, Event, Masking, Skipped
from tallystick.export.formats.ocsf import event

__all__ = [
    "FORMATS",
    "Entry",
    "Event",
    "Format",
    "Masking",
    "Skipped",
    "collection_rule",
    "event",
    "otlp_request",
    "table",
]
