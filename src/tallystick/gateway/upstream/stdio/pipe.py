"""One running server process and the requests that wait for it (2026-07-28 basic/transports/stdio; 2025-11-25).

Ids and progress tokens are the gateway's own on the pipe, so that no caller can meet another's.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import aclosing
from itertools import count
from typing import Final, NamedTuple

import anyio
import msgspec
from anyio.abc import TaskGroup

from tallystick.gateway.upstream.connector import unreachable
from tallystick.gateway.upstream.conversation import (
    BROKEN_OFF,
    CANCELLED,
    CANCELLING,
    TIMED_OUT,
    Conversation,
    answer_to,
    broken,
    question_of,
)
from tallystick.gateway.upstream.http1 import TOO_LARGE
from tallystick.gateway.upstream.model import Outbound
from tallystick.gateway.upstream.stdio.calls import PipeCall, TapCall, with_token
from tallystick.runtime import ServerProcess
from tallystick.terms import Refusal, TallyError
from tallystick.wire import Reply, encode, read_reply

NOTICE_S: Final = 5.0
"""Seconds that a process has to read a message which has no answer."""

ANSWERS: Final = 16
"""Questions of a server that the gateway answers at a time; more than that are left unanswered."""

_PROGRESS: Final = "notifications/progress"
_UNASKED: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
    }
)
"""What concerns no request, but whoever listens (2025-11-25, server features)."""

_names_its_id: Final = re.compile(rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,15})\s*,').match


class _Progress(msgspec.Struct):
    params: dict[str, msgspec.Raw]


class _Meta(msgspec.Struct, rename={"subscription": "io.modelcontextprotocol/subscriptionId"}):
    subscription: int | str | None = None


class _Tagged(msgspec.Struct, rename={"meta": "_meta"}):
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Subscribed(msgspec.Struct):
    params: _Tagged = msgspec.field(default_factory=_Tagged)


_read_progress: Final = msgspec.json.Decoder(_Progress).decode
_read_token: Final = msgspec.json.Decoder(int).decode
_read_subscribed: Final = msgspec.json.Decoder(_Subscribed).decode


class Spare(NamedTuple):
    """What makes a process one that stands in for another.

    It ends after `idle_s` seconds without a request, and `hear` takes what it says to nobody in particular.
    """

    idle_s: float
    hear: Callable[[bytes], None]


class Pipe:
    """A process that speaks MCP. `ended` says that it will answer nothing more, `served` that it ever answered.

    `asks`: it speaks an era in which servers may ask. `idled`: it was ended because nobody needed it any more.
    """

    def __init__(
        self, server: ServerProcess, over: Callable[["Pipe"], None], *, asks: bool, spare: Spare | None = None
    ) -> None:
        """Speak with a running process; nothing is heard until `listen` runs. `over` is called when it has ended."""
        self.ended = False
        self.served = False
        self.idled = False
        self._server = server
        self._over = over
        self._asks = asks
        self._spare = spare
        self._resting: asyncio.TimerHandle | None = None
        self._asked: PipeCall | None = None
        self._ids = count(1)
        self._waiting: dict[int, PipeCall] = {}
        self._opening: tuple[int, Conversation] | None = None
        self._taps: set[TapCall] = set()
        self._running = anyio.CancelScope()
        self._answering = 0

    @property
    def open_to(self) -> Outbound | None:
        """The request whose client has yet to answer a question, None where none is awaited."""
        # Only while a call is alone can it be asked anything, so there is one at most.
        call = self._asked
        if call is None or not call.questions or call.request_id not in self._waiting:
            return None
        return call.outbound

    def stop(self) -> None:
        """Have `listen` return, and with it whatever waits."""
        self.ended = True
        self._running.cancel()

    async def listen(self) -> None:
        """Deliver what the process says, until it ends or is stopped."""
        try:
            with self._running:
                async with anyio.create_task_group() as answering, aclosing(self._server.lines()) as lines:
                    async for line in lines:
                        if isinstance(line, Refusal):
                            self._overflow(line)
                        else:
                            self._deliver(line, answering)
                    answering.cancel_scope.cancel()
        finally:
            self.ended = True
            self._stir()
            # Before anybody who waits learns of it, and asks again.
            self._over(self)
            waiting = [call.conversation for call in (*self._waiting.values(), *self._taps)]
            for conversation in (*waiting, *([self._opening[1]] if self._opening else [])):
                conversation.end(BROKEN_OFF)

    async def begin(self, outbound: Outbound) -> PipeCall | Refusal:
        """Send one request."""
        if outbound.cancellation.said:
            return CANCELLED
        request_id = next(self._ids)
        params, token = with_token(outbound.params, request_id)
        call = PipeCall(request_id, outbound, token, self._notice, lambda: self._forget(request_id))
        self._waiting[request_id] = call
        self._stir()
        sent = False
        try:
            refused = await self._send(encode.request(request_id, outbound.method, params), outbound.timeout_s)
            sent = refused is None
        finally:
            if not sent:
                self._forget(request_id)
        return refused or call

    async def open(self, method: str, params: dict[str, object], within_s: float) -> Reply | Refusal:
        """Send the request that comes before all others and return its answer."""
        request_id, conversation = next(self._ids), Conversation()
        self._opening = request_id, conversation
        try:
            with anyio.move_on_after(within_s):
                refused = await self._send(encode.request(request_id, method, params), within_s)
                if refused is not None:
                    return refused
                await conversation.settle()
        finally:
            self._opening = None
            self._rest()
        return conversation.outcome or TIMED_OUT

    async def note(self, method: str, params: dict[str, object]) -> Refusal | None:
        """Send one notification."""
        return await self._notice(encode.request(None, method, params))

    def tap(self) -> TapCall:
        """Hear what belongs to no request."""
        call = TapCall(self._notice, self._taps.discard)
        self._taps.add(call)
        return call

    def hear(self, notification: bytes) -> None:
        """Tell whoever listens what belongs to no request."""
        for tap in tuple(self._taps):
            tap.tell(notification)

    async def _notice(self, line: bytes) -> Refusal | None:
        return await self._send(line, NOTICE_S)

    async def _send(self, line: bytes, within_s: float) -> Refusal | None:
        if self.ended:
            return unreachable("the process has ended")
        try:
            with anyio.move_on_after(within_s):
                await self._server.send(line)
                return None
        except TallyError as error:
            return broken(error.message)
        # What it has not read piles up here, so a process that stopped reading is not kept.
        self.stop()
        return TIMED_OUT

    def _forget(self, request_id: int) -> None:
        self._take(request_id)

    def _take(self, request_id: int) -> PipeCall | None:
        call = self._waiting.pop(request_id, None)
        if not self._waiting:
            self._rest()
        return call

    def _rest(self) -> None:
        if self._spare is not None and not self.ended and self._resting is None:
            self._resting = asyncio.get_running_loop().call_later(self._spare.idle_s, self._idle)

    def _stir(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def _idle(self) -> None:
        self.idled = True
        self.stop()

    def _only(self) -> PipeCall | None:
        """Return the only request under way; None where there are more, so that nothing is given by a guess."""
        calls = [call for call in self._waiting.values() if not call.is_listening]
        return calls[0] if len(calls) == 1 else None

    def _overflow(self, refused: Refusal) -> None:
        # A response that names its request in its first bytes belongs to that; any other, to the only one there is.
        named = _names_its_id(refused.detail.encode("latin-1", "replace"))
        call = self._waiting.get(int(named[1])) if named else self._only()
        if call is not None:
            call.conversation.end(TOO_LARGE)
            self._forget(call.request_id)

    def _deliver(self, line: bytes, answering: TaskGroup) -> None:
        reply = read_reply(line)
        if isinstance(reply, Refusal):
            return  # servers print stray lines; what is waited for runs into its deadline, not into a guess
        if reply.kind == "notification":
            self._notify(reply)
        elif reply.kind == "request":
            self._ask(reply, answering)
        elif self._opening is not None and reply.id == self._opening[0] and isinstance(reply.id, int):
            self._opening[1].end(reply)
        elif isinstance(reply.id, int) and (call := self._take(reply.id)) is not None:
            # Forgotten at once: while its client is asked something, a call that has its answer is not under way.
            self.served = True
            call.conversation.end(reply)

    def _ask(self, asked: Reply, answering: TaskGroup) -> None:
        # INVARIANT: a client is asked only what its own call made the server ask.
        question, call = question_of(asked), self._only()
        if self._asks and question is not None and call is not None and call.ask(question):
            self._asked = call
            return
        if self._answering < ANSWERS:
            self._answering += 1
            answering.start_soon(self._answer, asked)

    async def _answer(self, asked: Reply) -> None:
        try:
            await self._notice(answer_to(asked))
        finally:
            self._answering -= 1

    def _notify(self, reply: Reply) -> None:
        if reply.method == _PROGRESS:
            self._deliver_progress(reply)
        elif reply.method == CANCELLING:
            return  # it names a request of the server, whose id no client ever sees
        elif (listening := self._subscribed(reply)) is not None:
            listening.tell(reply.payload)
        elif reply.method in _UNASKED:
            (self.hear if self._spare is None else self._spare.hear)(reply.payload)
        elif (call := self._only()) is not None:
            call.tell(reply.payload)

    def _subscribed(self, reply: Reply) -> PipeCall | None:
        try:
            subscription = _read_subscribed(reply.payload).params.meta.subscription
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return None
        call = self._waiting.get(subscription) if isinstance(subscription, int) else None
        return call if call is not None and call.is_listening else None

    def _deliver_progress(self, reply: Reply) -> None:
        try:
            params = _read_progress(reply.payload).params
            token = _read_token(params.get("progressToken", b"null"))
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            return
        call = self._waiting.get(token)
        if call is not None and call.token is not None:
            call.tell(encode.request(None, _PROGRESS, {**params, "progressToken": call.token}))
