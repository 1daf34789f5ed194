"""A server over Streamable HTTP, in whichever era it is told (2026-07-28 and 2025-11-25, basic/transports).

Must never translate between eras, follow a redirect, or send anything of a client but what its request says.
"""

from tallystick.gateway.upstream.http.transport import HttpTransport

__all__ = ["HttpTransport"]
