"""How an event stream goes on that its server closed before the end (2025-11-25, basic/transports: resumability).

A server of a session era may close a connection once it has named an event; the client comes back with GET and
`Last-Event-ID`, and hears the rest, the response of a POST included. Servers use it to make slow calls cheap for both.
"""

from typing import Final

import anyio

from tallystick.gateway.upstream.connector import CONNECT_S
from tallystick.gateway.upstream.conversation import broken
from tallystick.gateway.upstream.http.link import Link
from tallystick.gateway.upstream.http.transfer import Transfer
from tallystick.terms import Refusal
from tallystick.wire import Reply

RETURNS: Final = 100
"""Times that one call comes back for the rest of its stream."""

WAIT_S: Final = 1.0
"""Seconds until then, where the server names none."""

SOONEST_S: Final = 0.02
"""Fewest seconds until then, whatever the server names: it may not keep us busy."""

LATEST_S: Final = 30.0
"""Most seconds until then, whatever the server names."""


class WayBack:
    """What the session of one call offers to its response: somewhere to answer its server, and the rest of its stream.

    INVARIANT: nothing but GET is ever sent again, so that a call can be lost here but never run twice.
    """

    __slots__ = ("_left", "_lines", "_link", "_waiting")

    def __init__(self, link: Link, lines: bytes) -> None:
        """Take the header `lines` of the session that the call was sent in; another one does not know its streams."""
        self._link = link
        self._lines = lines
        self._left = RETURNS
        self._waiting: anyio.CancelScope | None = None

    def refuse(self, asked: Reply) -> None:
        """Answer a server's request that no client can be asked."""
        self._link.refuse(self._lines, asked)

    def resume(self, transfer: Transfer, last_id: bytes, retry_ms: int | None) -> bool:
        """Have `transfer` go on after the event `last_id`, after a while; False where it cannot."""
        if not last_id or not self._left:
            return False
        self._left -= 1
        wait_s = WAIT_S if retry_ms is None else min(LATEST_S, max(SOONEST_S, retry_ms / 1000))
        self._waiting = anyio.CancelScope()
        self._link.start(self._return, transfer, last_id, wait_s, self._waiting)
        return True

    def stop(self) -> None:
        """Do not come back: nobody waits for the rest any more."""
        if self._waiting is not None:
            self._waiting.cancel()

    async def _return(self, transfer: Transfer, last_id: bytes, wait_s: float, waiting: anyio.CancelScope) -> None:
        with waiting:
            await anyio.sleep(wait_s)
            connection = await self._link.pool.acquire(CONNECT_S)
            if isinstance(connection, Refusal):
                # Of the call something was sent, whatever can be said of this connection.
                transfer.fail(broken(f"its stream was closed and cannot be resumed: {connection.detail}"))
            elif transfer.conversation.ended:
                self._link.pool.rest(connection)
            else:
                transfer.send(connection, self._link.heads.get(self._lines, last_id))
