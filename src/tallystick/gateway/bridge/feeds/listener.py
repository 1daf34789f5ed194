"""One client that listens: what waits for it, taken in the task of its own request."""

from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from tallystick.gateway.bridge.feeds.wanted import Pending
from tallystick.gateway.bridge.heard import can_answer
from tallystick.gateway.bridge.way import ANSWER_S, UNANSWERED, UNASKABLE, params_for
from tallystick.gateway.upstream.model import Call, Outbound, Question, Wanted
from tallystick.terms import Refusal

if TYPE_CHECKING:
    from tallystick.wire import Era, Reply

QUESTIONS: Final = 16
"""Questions that wait for one client on its stream; more than that are answered with an error."""

RESOURCES: Final = 1_000
"""Resources that one client is told of."""


class Posed(NamedTuple):
    """A question that came on a stream, with no request of the client around it."""

    call: Call
    question: Question


class Listener:
    """A client's stay on a feed. An idle one costs this object and the cancel scope that it is woken by.

    `attend` runs in the task of the client's own request, so whatever goes wrong there is that request's failure.
    """

    __slots__ = ("_outbound", "_pending", "_posed", "_scope", "conversation", "ended", "era", "moved", "wanted")

    def __init__(self, outbound: Outbound, wanted: Wanted) -> None:
        """Listen for `outbound.exchange`."""
        self._outbound = outbound
        self._pending: Pending | None = None
        self._posed: list[Posed] = []
        self._scope: anyio.CancelScope | None = None
        self.conversation = outbound.conversation
        self.era: Era = outbound.era
        self.wanted = wanted
        self.ended = False
        self.moved = False

    async def attend(self) -> None:
        """Pass on what comes, until the client goes or the listening is ended."""
        self._outbound.cancellation.heard_by(self.end)
        while not self.ended:
            await self._take()
            if self.ended:
                return
            with anyio.CancelScope() as scope:
                self._scope = scope
                await self._outbound.exchange.abandoned()
                self.ended = True
            self._scope = None

    def end(self) -> None:
        """Stop listening."""
        self.ended = True
        self._wake()

    def move(self) -> None:
        """Stop listening here: whoever listens may go on elsewhere."""
        self.moved = not self.ended
        self.end()

    def subscribe(self, uri: str, *, on: bool) -> None:
        """Add a resource to what the client wants to be told of, or take it away."""
        others = tuple(known for known in self.wanted.resources if known != uri)
        self.wanted = self.wanted._replace(resources=(*others, uri)[-RESOURCES:] if on else others)

    def tell(self, key: object, message: bytes) -> None:
        """Have a notification passed on; a newer one of the same key takes its place while it waits."""
        if self._pending is None:
            self._pending = Pending()
        self._pending.put(key, message)
        self._wake()

    async def pose(self, posed: Posed) -> None:
        """Have the client asked, where it can be."""
        question = posed.question
        askable = self._outbound.exchange.asks and can_answer(self._outbound.client, question.method, question.params)
        if askable and len(self._posed) < QUESTIONS:
            self._posed.append(posed)
            self._wake()
        else:
            await posed.call.respond(question, UNASKABLE)

    def _wake(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    async def _take(self) -> None:
        while not self.ended and (self._pending or self._posed):
            message = self._pending.take() if self._pending else None
            if message is not None:
                await self._outbound.exchange.emit(message)
            elif self._posed:
                await self._answer(self._posed.pop(0))
        self._pending = None

    async def _answer(self, posed: Posed) -> None:
        asked = posed.question
        params = params_for(self.era, asked)
        answer: Reply | Refusal = await self._outbound.exchange.ask(asked.method, params, ANSWER_S)
        await posed.call.respond(asked, UNANSWERED if isinstance(answer, Refusal) else answer)
