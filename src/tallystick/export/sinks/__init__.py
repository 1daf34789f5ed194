"""Where events go: one small file per kind of receiver.

Never in here: reading the record, deciding what is sent, or remembering what was; a sink says whether a batch is safe.
"""

from tallystick.export.sinks.make import make_sink

__all__ = ["make_sink"]
