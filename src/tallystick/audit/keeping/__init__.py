"""Keeping and forgetting: retention classes, legal holds, erasure by key destruction, subject access, cost.

Never in here: a way to change or drop a leaf, to forget what a hold or a statute protects, or to read a payload without
a leaf that says who did.
"""

from tallystick.audit.keeping.classes import BUILT_IN, RetentionClass, class_of
from tallystick.audit.keeping.judge import Block, Hold
from tallystick.audit.keeping.orders import ORDERS

__all__ = ["BUILT_IN", "ORDERS", "Block", "Hold", "RetentionClass", "class_of"]
