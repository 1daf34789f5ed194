"""One request under way at a server: notifications and questions as they come, then one end, whatever the transport.

The first 50 ms of a silent call cost one future and one timer. Only a call that lasts longer, or that has something to
tell, pays for watching whether its client is still there and still reads.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import anyio

from tallystick.gateway.upstream.model import Evidence, Exchange, Outbound, Question
from tallystick.terms import Reason, Refusal
from tallystick.wire import Reply, encode, parse

PATIENCE_S: Final = 0.05
"""Seconds after which a call counts as slow and its client is watched."""

LEFT_S: Final = 660.0
"""Seconds for which a call is kept that nobody follows: somewhat longer than a person gets for an answer."""

QUESTIONS: Final = 16
"""Questions of one call that wait at a time; a server that asks more meanwhile is answered with an error."""

ASKABLE: Final = frozenset({"elicitation/create", "sampling/createMessage", "roots/list"})
"""What a server may ask in the middle of a call (2025-11-25, client features)."""

BACKLOG_BYTES: Final = 256 << 10
"""Notifications that a slow client may leave waiting before its server is no longer read, or no longer listened to."""

CANCELLING: Final = "notifications/cancelled"
"""How either side takes back a request."""

_METHOD_NOT_FOUND: Final = b'{"code":-32601,"message":"Method not found"}'

TIMED_OUT: Final = Refusal(
    "upstream",
    (Reason.UPSTREAM_TIMEOUT,),
    "The server did not answer in time. The call may have taken effect; look before you repeat it.",
)
CANCELLED: Final = Refusal("upstream", (Reason.CANCELLED,), "The call was cancelled by its client.")
BROKEN_OFF: Final = Refusal(
    "upstream",
    (Reason.UPSTREAM_BROKEN,),
    "The server broke off before it answered. The call may have taken effect; look before you repeat it.",
)


class Conversation:
    """What a connector tells about one request, and what the corridor hears of it. `outcome` is its end."""

    __slots__ = ("_backlog", "_events", "_leaving", "_lost", "_questions", "_relief", "_slow", "_wake", "outcome")

    def __init__(self, relief: Callable[[], None] | None = None, lost: Callable[[], None] | None = None) -> None:
        """Start with nothing heard.

        `relief` is called whenever the client has taken a notification, `lost` when nobody came back to follow.
        """
        self._events: deque[bytes | Question] = deque()
        self._backlog = 0
        self._questions = 0
        self._relief = relief
        self.outcome: Reply | Refusal | None = None
        self._lost = lost
        self._wake: asyncio.Future[None] | None = None
        self._slow = False
        self._leaving: asyncio.TimerHandle | None = None

    @property
    def ended(self) -> bool:
        """Whether the end has come."""
        return self.outcome is not None

    @property
    def backlog(self) -> int:
        """Bytes of notifications that the client has not taken yet."""
        return self._backlog

    def tell(self, notification: bytes) -> None:
        """Add a notification for the client."""
        if self.outcome is None:
            self._events.append(notification)
            self._backlog += len(notification)
            self._stir()

    def ask(self, question: Question) -> bool:
        """Add a question for the client; False when too many wait already, or nobody will answer any more."""
        if self.outcome is not None or self._questions >= QUESTIONS:
            return False
        self._events.append(question)
        self._questions += 1
        self._stir()
        return True

    def end(self, reply: Reply | Refusal) -> None:
        """End the conversation; every end but the first is ignored."""
        # INVARIANT: one request has one end, so one outcome leaf.
        if self.outcome is None:
            self.outcome = reply
            self._stir()

    async def follow(self, outbound: Outbound) -> Reply | Refusal | Question:
        """Pass on notifications until the end, a question, the deadline or the client's cancellation.

        A client that does not take its notifications keeps the call open until the deadline and no longer.
        """
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        outbound.cancellation.heard_by(lambda: self.end(CANCELLED))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + outbound.timeout_s
        timer = loop.call_later(min(PATIENCE_S, outbound.timeout_s), self._lose_patience)
        try:
            while self.outcome is None and not self._slow and not self._events:
                await self._stirred()
            question = None
            if self.outcome is None or self._events:
                question = await self._follow_slowly(outbound.exchange, deadline)
        except BaseException:
            self._left(loop)
            raise
        finally:
            timer.cancel()
        if question is not None:
            outbound.cancellation.heard_by(_nobody)
            self._left(loop)
        else:
            # Both lead back to whoever holds this conversation: answers would stay in memory until the collector comes.
            self._relief = self._lost = None
        return question or self.outcome or TIMED_OUT

    async def settle(self) -> None:
        """Wait for the end of a conversation whose end does not matter, and which has no client."""
        while self.outcome is None:
            await self._stirred()

    async def _follow_slowly(self, exchange: Exchange, deadline: float) -> Question | None:
        question: Question | None = None
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._watch, exchange, watching.cancel_scope)
            watching.cancel_scope.deadline = deadline
            question = await self._pass_on(exchange)
            watching.cancel_scope.cancel()
        if question is None:
            self.end(TIMED_OUT)
        return question

    async def _watch(self, exchange: Exchange, following: anyio.CancelScope) -> None:
        await exchange.abandoned()
        self.end(CANCELLED)
        following.cancel()

    async def _pass_on(self, exchange: Exchange) -> Question | None:
        while True:
            while self._events:
                event = self._events[0]
                if isinstance(event, Question):
                    self._events.popleft()
                    self._questions -= 1
                    if self.outcome is None:
                        return event
                    continue
                await exchange.emit(event)
                self._events.popleft()
                self._backlog -= len(event)
                if self._relief is not None:
                    self._relief()
            if self.outcome is not None:
                return None
            await self._stirred()

    async def _stirred(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        await self._wake
        self._wake = None

    def _left(self, loop: asyncio.AbstractEventLoop) -> None:
        # Whoever asks its client may never come back, and a server's answer would be kept for nobody.
        if self.outcome is None:
            self._leaving = loop.call_later(LEFT_S, self._lose)

    def _lose(self) -> None:
        self.end(TIMED_OUT)
        self._events.clear()
        if self._lost is not None:
            self._lost()

    def _lose_patience(self) -> None:
        self._slow = True
        self._stir()

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _nobody() -> None:
    """Hear nothing: until the call is followed again there is nobody to tell."""


def question_of(asked: Reply) -> Question | None:
    """Return the question that a server's request is; None where no client can be asked that."""
    if asked.id is None or asked.method not in ASKABLE:
        return None
    message = parse(asked.payload)
    return None if isinstance(message, Refusal) else Question(asked.id, asked.method, message.params)


def answer_to(asked: Reply) -> bytes:
    """Return the gateway's own answer to a server's request: a sign of life to a ping, an error to all else."""
    if asked.method == "ping":
        return encode.message(asked.id or 0, "result", b"{}")
    return encode.message(asked.id or 0, "error", _METHOD_NOT_FOUND)


def response(question: Question, answer: Reply) -> bytes:
    """Return a client's answer to a question, as a message for the server."""
    return encode.message(question.id, "error" if answer.kind == "rpc_error" else "result", answer.payload)


def broken(detail: str) -> Refusal:
    """Return the refusal for a server that broke off, with what the operator can learn of it."""
    return Refusal(BROKEN_OFF.code, BROKEN_OFF.reasons, BROKEN_OFF.public_text, detail)


class Ended(NamedTuple):
    """A call that had its end before it began: the server refused to be opened in the era."""

    end: Reply | Refusal
    evidence: Evidence

    async def follow(self, outbound: Outbound) -> Reply | Refusal:
        """Return the end."""
        del outbound
        return self.end

    async def respond(self, question: Question, answer: Reply) -> Refusal | None:
        """Return why nothing can be answered: nothing was asked."""
        del question, answer
        return BROKEN_OFF

    async def cancel(self) -> None:
        """Do nothing: nothing was sent."""
