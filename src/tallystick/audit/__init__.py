"""The record: what happened, as leaves of a C2SP tlog-tiles log that a stranger can verify offline.

`encode` turns an Intent, Outcome or Denial into a leaf; a `model.Recorder` makes it durable; `offline` reads, proves
and verifies a log from its files and public key. Wiring starts the writer process through `tallystick.audit.client`.

Never in here: payloads (only keyed commitments to them), decisions about calls, or a way to change a written leaf.
"""

from tallystick.audit import database, index, leaf, model, offline, witness
from tallystick.audit.leaf.call import encode
from tallystick.audit.model import Denial, Intent, Outcome, Target, Unwritable

__all__ = [
    "Denial",
    "Intent",
    "Outcome",
    "Target",
    "Unwritable",
    "database",
    "encode",
    "index",
    "leaf",
    "model",
    "offline",
    "witness",
]
