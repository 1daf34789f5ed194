"""Control state: resources, their revisions and history, their reviews, and what the record is still to be told.

One transaction for every change (`Control.commit`); the `Relay` brings its leaves to the record, and only then is its
revision published.

Never in here: the meaning of a policy, a way around the transaction, or anything that a call waits for.
"""

from tallystick.control import declare, entries, lifecycle, model, webhooks
from tallystick.control.entries import Postgres, Sqlite
from tallystick.control.outbox.relay import Relay, found_by
from tallystick.control.state import Control, open_control

__all__ = [
    "Control",
    "Postgres",
    "Relay",
    "Sqlite",
    "declare",
    "entries",
    "found_by",
    "lifecycle",
    "model",
    "open_control",
    "webhooks",
]
