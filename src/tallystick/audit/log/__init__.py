"""One log: durable appends, tiles, and a checkpoint that can only move forward.

Never in here: who sends leaves, or what they say beyond which intents are open.
"""

from tallystick.audit.log.log import Keep, Log, Row, Signing, Store, keep_nothing, open_log

__all__ = ["Keep", "Log", "Row", "Signing", "Store", "keep_nothing", "open_log"]
