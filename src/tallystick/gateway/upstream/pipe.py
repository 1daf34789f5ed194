"""One running server process and the requests that wait for it (2026-07-28 basic/transports/stdio; 2025-11-25).

Ids and progress tokens are the gateway's own on the pipe, so that no caller can meet another's.
"""

from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskGroup

from tallystick.gateway.upstream.connector import unreachable
from tallystick.gateway.upstream.conversation import BROKEN_OFF, CANCELLED, TIMED_OUT, Conversation, Outbound
from tallystick.gateway.upstream.http1 import TOO_LARGE
from tallystick.gateway.upstream.transfer import BACKLOG_BYTES
from tallystick.runtime import ServerProcess
from tallystick.terms import Refusal, TallyError
from tallystick.wire import Reply, encode, read_reply

NOTICE_S: Final = 5.0
"""Seconds that a process has to read a message which has no answer."""

ANSWERS: Final = 16
"""Questions of a server that are answered at a time; more than that are left unanswered."""

_PROGRESS: Final = "notifications/progress"
_METHOD_NOT_FOUND: Final = b'{"code":-32601,"message":"Method not found"}'


class _Progress(msgspec.Struct):
    params: dict[str, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request under way. `token` is the client's own progress token, None where it asked for no progress."""

    conversation: Conversation
    token: object
    is_opening: bool


class Pipe:
    """A process that speaks MCP. `ended` says that it will answer nothing more, `served` that it ever answered."""

    def __init__(self, server: ServerProcess) -> None:
        """Speak with a running process; nothing is heard until `listen` runs."""
        self.ended = False
        self.served = False
        self._server = server
        self._ids = count(1)
        self._waiting: dict[int, _Waiting] = {}
        self._running = anyio.CancelScope()
        self._answering = 0

    def stop(self) -> None:
        """Have `listen` return, and with it whatever waits."""
        self.ended = True
        self._running.cancel()

    async def listen(self) -> None:
        """Deliver what the process says, until it ends, says too much at once, or is stopped."""
        try:
            with self._running:
                async with anyio.create_task_group() as answering, aclosing(self._server.lines()) as lines:
                    async for line in lines:
                        if isinstance(line, Refusal):
                            self._overflow()
                            break
                        self._deliver(line, answering)
                    answering.cancel_scope.cancel()
        finally:
            self.ended = True
            for waiting in list(self._waiting.values()):
                waiting.conversation.end(BROKEN_OFF)

    async def converse(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request and follow it to its end."""
        if outbound.cancellation.said:
            return CANCELLED
        request_id, conversation = next(self._ids), Conversation()
        is_opening = outbound.era.sessions and outbound.method == outbound.era.opening
        params, token = _with_token(outbound.params, request_id)
        self._waiting[request_id] = _Waiting(conversation, token, is_opening)
        try:
            sent = await self._send(encode.request(request_id, outbound.method, params), outbound.timeout_s)
            reply = sent or await conversation.follow(outbound)
        finally:
            del self._waiting[request_id]
        if reply in (CANCELLED, TIMED_OUT) and not is_opening:
            await self.note("notifications/cancelled", {"requestId": request_id})
        if isinstance(reply, Reply) and len(reply.payload) > outbound.result_bytes:
            return TOO_LARGE
        return reply

    async def note(self, method: str, params: dict[str, object]) -> Refusal | None:
        """Send one notification."""
        return await self._send(encode.request(None, method, params), NOTICE_S)

    async def _send(self, line: bytes, within_s: float) -> Refusal | None:
        if self.ended:
            return unreachable("the process has ended")
        try:
            with anyio.move_on_after(within_s):
                await self._server.send(line)
                return None
        except TallyError as error:
            return Refusal(BROKEN_OFF.code, BROKEN_OFF.reasons, BROKEN_OFF.public_text, error.message)
        # What it has not read piles up here, so a process that stopped reading is not kept.
        self.stop()
        return TIMED_OUT

    def _overflow(self) -> None:
        # Whose answer it was cannot be known, unless there is only one that it can be.
        if len(self._waiting) == 1:
            next(iter(self._waiting.values())).conversation.end(TOO_LARGE)

    def _deliver(self, line: bytes, answering: TaskGroup) -> None:
        reply = read_reply(line)
        if isinstance(reply, Refusal):
            return  # servers print stray lines; what is waited for runs into its deadline, not into a guess
        if reply.kind == "notification":
            self._deliver_progress(reply)
        elif reply.kind == "request":
            if self._answering < ANSWERS:
                self._answering += 1
                answering.start_soon(self._answer, reply)
        elif isinstance(reply.id, int) and reply.id in self._waiting:
            waiting = self._waiting[reply.id]
            self.served = self.served or not waiting.is_opening
            waiting.conversation.end(reply)

    async def _answer(self, asked: Reply) -> None:
        # The gateway claims no capability, so it is asked for nothing but a sign of life.
        if asked.id is not None and asked.method == "ping":
            await self._send(encode.message(asked.id, "result", b"{}"), NOTICE_S)
        elif asked.id is not None:
            await self._send(encode.message(asked.id, "error", _METHOD_NOT_FOUND), NOTICE_S)
        self._answering -= 1

    def _deliver_progress(self, reply: Reply) -> None:
        # Only progress names its request; any other notification cannot be given to one caller without a guess.
        if reply.method != _PROGRESS:
            return
        try:
            params = msgspec.json.decode(reply.payload, type=_Progress).params
            token = msgspec.json.decode(params.get("progressToken", b"null"), type=int)
        except (msgspec.DecodeError, RecursionError):
            return
        waiting = self._waiting.get(token)
        # The process serves others too, so it is read on: progress that a slow client has no room for is left out.
        if waiting is not None and waiting.token is not None and waiting.conversation.backlog < BACKLOG_BYTES:
            waiting.conversation.tell(encode.request(None, _PROGRESS, {**params, "progressToken": waiting.token}))


def _with_token(params: dict[str, object], request_id: int) -> tuple[dict[str, object], object]:
    meta = params.get("_meta")
    if not isinstance(meta, dict) or "progressToken" not in meta:
        return params, None
    theirs: dict[str, object] = msgspec.convert(meta, dict[str, object])
    return {**params, "_meta": {**theirs, "progressToken": request_id}}, theirs["progressToken"]
