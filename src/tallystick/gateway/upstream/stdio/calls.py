"""Requests under way on a pipe that others use too, and streams of what belongs to no request."""

from collections.abc import Awaitable, Callable, Mapping

from tallystick.gateway.upstream.conversation import (
    BACKLOG_BYTES,
    BROKEN_OFF,
    CANCELLED,
    CANCELLING,
    Conversation,
    response,
)
from tallystick.gateway.upstream.http1 import TOO_LARGE
from tallystick.gateway.upstream.model import Evidence, Outbound, Question
from tallystick.terms import Refusal
from tallystick.wire import Reply, encode

Send = Callable[[bytes], Awaitable[Refusal | None]]
"""Writes one line; the refusal says why it was not written."""


class PipeCall:
    """A request under way. `token` is the client's own progress token, None where it asked for no progress.

    `outbound` is the client that followed last; `is_listening` says that only what names this request is for it.
    `questions` counts those that wait for their answer.
    """

    __slots__ = ("_forget", "_send", "conversation", "is_listening", "outbound", "questions", "request_id", "token")

    def __init__(
        self, request_id: int, outbound: Outbound, token: object, send: Send, forget: Callable[[], None]
    ) -> None:
        """Write with `send`; `forget` is called when nothing more can come."""
        self.conversation = Conversation(lost=forget)
        self.request_id = request_id
        self.outbound = outbound
        self.token = token
        self.is_listening = outbound.method == "subscriptions/listen"
        self.questions = 0
        self._send = send
        self._forget = forget

    @property
    def evidence(self) -> Evidence:
        """A process has proven its era when it was started."""
        return "spoken"

    def tell(self, notification: bytes) -> None:
        """Add a notification; the process serves others too, so what a slow client has no room for is left out."""
        if self.conversation.backlog < BACKLOG_BYTES:
            self.conversation.tell(notification)

    def ask(self, question: Question) -> bool:
        """Add a question; False where the client cannot be asked, by an open stream or by what it declared.

        A client without sessions may have to learn what it did not declare, so whoever follows gets to see that.
        """
        client, kind = self.outbound, question.method.partition("/")[0]
        may_ask = client.exchange.asks or kind in client.client.capabilities or not client.era.sessions
        asked = may_ask and self.conversation.ask(question)
        self.questions += asked
        return asked

    async def follow(self, outbound: Outbound) -> Reply | Refusal | Question:
        """Follow the call to a question or its end."""
        self.outbound = outbound
        end = await self.conversation.follow(outbound)
        if isinstance(end, Question):
            return end
        self._forget()
        return TOO_LARGE if isinstance(end, Reply) and len(end.payload) > outbound.result_bytes else end

    async def respond(self, question: Question, answer: Reply) -> Refusal | None:
        """Write the client's answer to the process."""
        self.questions -= 1
        refused = await self._send(response(question, answer))
        if refused is not None:
            self.conversation.end(refused)
            self._forget()
        return refused

    async def cancel(self) -> None:
        """Tell the process by name (both eras, cancellation)."""
        self.conversation.end(CANCELLED)
        self._forget()
        if isinstance(self.conversation.outcome, Refusal) and self.conversation.outcome is not BROKEN_OFF:
            await self._send(encode.request(None, CANCELLING, {"requestId": self.request_id}))


class TapCall:
    """A stream of what a process says to nobody in particular."""

    __slots__ = ("_forget", "_send", "conversation")

    def __init__(self, send: Send, forget: Callable[["TapCall"], None]) -> None:
        """Hear until `forget` is called."""
        self.conversation = Conversation(lost=self._lose)
        self._send = send
        self._forget = forget

    @property
    def evidence(self) -> Evidence:
        """A process has proven its era when it was started."""
        return "spoken"

    def tell(self, notification: bytes) -> None:
        """Add a notification; what a slow listener has no room for is left out."""
        if self.conversation.backlog < BACKLOG_BYTES:
            self.conversation.tell(notification)

    async def follow(self, outbound: Outbound) -> Reply | Refusal | Question:
        """Pass on what the process says, until it ends or nobody listens."""
        end = await self.conversation.follow(outbound)
        if not isinstance(end, Question):
            self._lose()
        return end

    async def respond(self, question: Question, answer: Reply) -> Refusal | None:
        """Write an answer to the process."""
        return await self._send(response(question, answer))

    async def cancel(self) -> None:
        """Hear nothing more."""
        self.conversation.end(CANCELLED)
        self._lose()

    def _lose(self) -> None:
        self._forget(self)


def with_token(params: dict[str, object], request_id: int) -> tuple[dict[str, object], object]:
    """Return parameters with the gateway's own progress token, and the client's; None where it has none."""
    meta = params.get("_meta")
    if not isinstance(meta, Mapping) or "progressToken" not in meta:
        return params, None
    theirs: dict[str, object] = {str(name): value for name, value in meta.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - parsed JSON
    return {**params, "_meta": {**theirs, "progressToken": request_id}}, theirs["progressToken"]
