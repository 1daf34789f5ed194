"""A server over stdio (2026-07-28 basic/transports/stdio, 2025-11-25 basic/transports).

One process per kind of era, which all clients share, and spare ones for as long as an answer is awaited in it (`pool`).

Must never translate between eras, or give a message of the process to a caller by a guess.
"""

from tallystick.gateway.upstream.stdio.supervision import supervision
from tallystick.gateway.upstream.stdio.transport import StdioTransport

__all__ = ["StdioTransport", "supervision"]
