"""One log: durable appends, tiles, and a checkpoint that can only move forward.

Never in here: who sends leaves, or what they say beyond which intents are open.
"""

from tallystick.audit.log.log import Log, Row, Store, open_log

__all__ = ["Log", "Row", "Store", "open_log"]
