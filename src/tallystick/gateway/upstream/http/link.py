"""What every request to one URL shares: the heads, the connections, the ids, and where background work runs."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Final, TypeVarTuple

import anyio
from anyio.abc import TaskGroup

from tallystick.gateway.upstream.connector import CONNECT_S, Connector
from tallystick.gateway.upstream.conversation import CANCELLED, TIMED_OUT, answer_to
from tallystick.gateway.upstream.http.heads import Heads
from tallystick.gateway.upstream.http.transfer import Transfer
from tallystick.gateway.upstream.http1 import Pool
from tallystick.gateway.upstream.model import Outbound
from tallystick.terms import Refusal
from tallystick.wire import Reply

NOTICE_S: Final = 5.0
"""Seconds that a message without an answer gets."""

NOTICES: Final = 64
"""Messages without an answer that are on their way at a time; more than that are left unsaid."""

Given = TypeVarTuple("Given")


def _nobody(conversation: str | None) -> None:
    """Tell nobody of an opened session."""
    del conversation


class Link:
    """One URL."""

    def __init__(
        self, url: str, connector: Connector, supervising: TaskGroup, opened: Callable[[str | None], None] | None = None
    ) -> None:
        """Connect through `connector`; what nobody waits for runs in `supervising`.

        `opened` is told the conversation of each session that was opened.
        """
        self.opened = opened or _nobody
        self.heads = Heads(url)
        self.ids = count(1)
        self.pool = Pool(connector, self.heads.host, self.heads.port, tls=self.heads.tls)
        self._supervising = supervising
        self._notices = 0

    async def carry(self, transfer: Transfer, request: bytes, outbound: Outbound) -> Refusal | None:
        """Send a request whose response goes to `transfer`; the refusal says why nothing was sent."""
        connection = await self.pool.acquire(min(CONNECT_S, outbound.timeout_s))
        if isinstance(connection, Refusal):
            return connection
        if outbound.cancellation.said:
            self.pool.rest(connection)
            return CANCELLED
        transfer.send(connection, request)
        return None

    async def post(self, request: bytes) -> Transfer | Refusal:
        """Send what needs no answer, and do not wait for one."""
        connection = await self.pool.acquire(NOTICE_S)
        if isinstance(connection, Refusal):
            return connection
        transfer = Transfer(0, 1 << 16, "notice")
        transfer.send(connection, request)
        asyncio.get_running_loop().call_later(NOTICE_S, transfer.abandon)
        return transfer

    async def say(self, request: bytes) -> Transfer | Refusal:
        """Send what needs no answer, and wait until the server has taken it."""
        transfer = await self.post(request)
        if isinstance(transfer, Refusal):
            return transfer
        with anyio.move_on_after(NOTICE_S):
            await transfer.conversation.settle()
            outcome = transfer.conversation.outcome
            return outcome if isinstance(outcome, Refusal) else transfer
        return TIMED_OUT

    def later(self, request: bytes) -> None:
        """Send what needs no answer, soon, without keeping anybody."""
        if self._notices < NOTICES:
            self._notices += 1
            self._supervising.start_soon(self._later, request)

    def start(self, work: Callable[[*Given], Coroutine[object, object, None]], *given: *Given) -> None:
        """Run what nobody waits for; it is bounded by whoever starts it."""
        self._supervising.start_soon(work, *given)

    def refuse(self, lines: bytes, asked: Reply) -> None:
        """Answer a server's request that no client can be asked."""
        self.later(self.heads.post(lines, answer_to(asked)))

    async def _later(self, request: bytes) -> None:
        try:
            await self.say(request)
        finally:
            self._notices -= 1
