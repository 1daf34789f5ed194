"""Every format but the canonical one, each a pure function of an OCSF event.

Never in here: I/O, a clock, or anything that is not in the event.
"""

from tallystick.export.formats.derived.formats import FORMATS, Format
from tallystick.export.formats.derived.otlp import request as otlp_request
from tallystick.export.formats.derived.sentinel import collection_rule, table

__all__ = ["FORMATS", "Format", "collection_rule", "otlp_request", "table"]
