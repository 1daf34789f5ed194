"""MCP on the wire, both eras: strict parsing, era rules, errors and server-sent events, as pure functions.

The era of a peer is a key of the table in `eras.py`; nothing past the edges of the corridor asks for it.
Must never contain I/O, policy, or knowledge of a particular server.
"""

from tallystick.wire import bridge, encode, envelope
from tallystick.wire.envelope import Headers
from tallystick.wire.eras import ERAS, MODERN, Era
from tallystick.wire.message import Message, parse
from tallystick.wire.reply import Reply, read_reply
from tallystick.wire.sse import EventReader

__all__ = [
    "ERAS",
    "MODERN",
    "Era",
    "EventReader",
    "Headers",
    "Message",
    "Reply",
    "bridge",
    "encode",
    "envelope",
    "parse",
    "read_reply",
]
