"""One call's client, as the way out sees it: what it is told, what it is asked, and when it has gone."""

from collections.abc import Mapping
from typing import Final

import anyio

from tallystick.gateway.client.channel import Channel
from tallystick.gateway.client.questions import Questions
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply, encode

UNASKABLE: Final = Refusal(
    "upstream",
    (Reason.CLIENT_UNASKABLE,),
    "The server asked something in the middle of the call, and this client cannot be asked or did not answer.",
)


class Side:
    """One call's client, as the way out sees it."""

    __slots__ = ("_channel", "_era", "_questions", "_session")

    def __init__(self, channel: Channel, era: Era, questions: Questions, session: str | None) -> None:
        """Speak over `channel` in the client's era, in the session with this key."""
        self._channel = channel
        self._era = era
        self._questions = questions
        self._session = session

    @property
    def asks(self) -> bool:
        """Whether the client can be asked while its request is under way."""
        return self._session is not None

    async def emit(self, message: bytes) -> None:
        """Pass one notification to the client; waits while the client is slow."""
        await self._channel.emit(message)

    async def abandoned(self) -> None:
        """Return when the client has gone in a way that cancels its request; never otherwise."""
        await self._channel.closed()
        if not self._era.disconnect_cancels:
            await anyio.sleep_forever()

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        """Send the client a request and return its answer, or why there is none."""
        opened = self._questions.ask(self._session, method) if self._session is not None else None
        if self._session is None or opened is None:
            return UNASKABLE
        question_id, answer = opened
        try:
            await self._channel.emit(encode.request(question_id, method, params))
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(self._hang_up, waiting.cancel_scope)
                with anyio.move_on_after(within_s):
                    await answer
                waiting.cancel_scope.cancel()
        finally:
            self._questions.close(self._session, question_id)
        return answer.result() if answer.done() and not answer.cancelled() else UNASKABLE

    async def _hang_up(self, waiting: anyio.CancelScope) -> None:
        # The stream cannot be resumed, so an answer could never be told to whoever left it.
        await self._channel.closed()
        waiting.cancel()
