"""Followers: they bring the published record to systems outside, at least once, in order, and say how far they are.

`read_sinks` reads what is wanted, `Crew` follows, `Gate` stops calls while a mandatory sink is too far behind.

Never in here: writing the record, payloads, or anything between a caller and a server but that gate.
"""

from tallystick.export.lease import Gate
from tallystick.export.ledger import Ledger
from tallystick.export.model import Place
from tallystick.export.run import Crew
from tallystick.export.settings import FOLDER, SinkEntry, parse_sinks, read_sinks
from tallystick.export.status import SinkStatus, events_of, prometheus, statuses

__all__ = [
    "FOLDER",
    "Crew",
    "Gate",
    "Ledger",
    "Place",
    "SinkEntry",
    "SinkStatus",
    "events_of",
    "parse_sinks",
    "prometheus",
    "read_sinks",
    "statuses",
]
