"""Witnesses: a small server that cosigns only what continues what it has seen, and the client by which a log asks.

Never in here: what a leaf says, a log's own keys, or any trust in the log that asks.
"""

from tallystick.audit.witness.run import listen
from tallystick.audit.witness.state import EVERY_YEAR, KnownLog, StorageError, WitnessError, WitnessState

__all__ = ["EVERY_YEAR", "KnownLog", "StorageError", "WitnessError", "WitnessState", "listen"]
