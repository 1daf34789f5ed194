"""A server over stdio (2026-07-28 basic/transports/stdio, 2025-11-25 basic/transports): one process per era, shared by its callers.

Ids and progress tokens are the gateway's own on the pipe, so that no caller can meet another's. The process is started when first
asked, ends with the gateway, and after a failure is started again no sooner than the back-off allows.
"""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

import anyio
import msgspec
from anyio.abc import TaskGroup

from tallystick.gateway.upstream.conversation import BROKEN_OFF, CANCELLED, TIMED_OUT, Conversation, Outbound
from tallystick.gateway.upstream.http import opening_of
from tallystick.runtime import Capped, ServerProcess, start
from tallystick.terms import Reason, Refusal, TallyError
from tallystick.wire import Reply, encode, read_reply

BACK_OFF_S: Final = (0.0, 0.5, 2.0, 8.0, 30.0)
"""Seconds to wait before the n-th start in a row that failed."""

_PROGRESS: Final = "notifications/progress"


class StdioUpstream:
    """One server behind one command."""

    def __init__(self, capped: Capped, supervising: TaskGroup) -> None:
        """Run the command's processes in the task group `supervising`."""
        self._capped = capped
        self._supervising = supervising
        self._pipes: dict[bool, _Pipe] = {}

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request over the pipe of its era."""
        return await self._pipe(outbound).ask(outbound)

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Return the answer to `initialize` or `server/discover`."""
        return await self._pipe(outbound).introduce(outbound)

    async def forget(self, conversation: str) -> None:
        """Do nothing: the process outlives conversations."""

    def _pipe(self, outbound: Outbound) -> "_Pipe":
        # The era belongs to the process (2026-07-28, stdio); eras with sessions share one, opened once.
        pipe = self._pipes.get(outbound.era.sessions)
        if pipe is None:
            pipe = self._pipes[outbound.era.sessions] = _Pipe(self._capped, self._supervising)
        return pipe


class _Pipe:
    """One process and the requests that wait for it."""

    def __init__(self, capped: Capped, supervising: TaskGroup) -> None:
        self._capped = capped
        self._supervising = supervising
        self._ids = count(1)
        self._waiting: dict[int, tuple[Conversation, object]] = {}
        self._starting = anyio.Lock()
        self._server: ServerProcess | None = None
        self._running = anyio.CancelScope()
        self._said: Reply | None = None
        self._failures = 0
        self._not_before = -math.inf

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        refusal = await self._ready(outbound)
        if refusal is not None:
            return refusal
        return await self._converse(outbound)

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        if not outbound.era.sessions:
            return await self.ask(outbound)
        return await self._ready(outbound) or self._said or BROKEN_OFF

    async def _converse(self, outbound: Outbound) -> Reply | Refusal:
        request_id, conversation = next(self._ids), Conversation()
        params, token = _with_token(outbound.params, request_id)
        self._waiting[request_id] = (conversation, token)
        try:
            sent = await self._send(encode.request(request_id, outbound.method, params))
            if sent is not None:
                return sent
            reply = await conversation.follow(outbound)
        finally:
            del self._waiting[request_id]
        if reply in (CANCELLED, TIMED_OUT):
            await self._send(encode.request(None, "notifications/cancelled", {"requestId": request_id}))
        if isinstance(reply, Reply) and len(reply.payload) > outbound.result_bytes:
            return _too_large()
        return reply

    async def _send(self, line: bytes) -> Refusal | None:
        if self._server is None:
            return BROKEN_OFF
        try:
            await self._server.send(line)
        except TallyError as error:
            return Refusal(BROKEN_OFF.code, BROKEN_OFF.reasons, BROKEN_OFF.public_text, error.message)
        return None

    async def _ready(self, outbound: Outbound) -> Refusal | None:
        async with self._starting:
            if self._server is not None:
                return None
            wait = self._not_before - anyio.current_time()
            if wait > 0:
                return _unreachable(f"the process failed {self._failures} times and starts again in {wait:.1f} s")
            try:
                self._server = await self._supervising.start(self._supervise)
            except TallyError as error:
                return _unreachable(error.message)
            return await self._open(outbound) if outbound.era.sessions else None

    async def _open(self, outbound: Outbound) -> Refusal | None:
        reply = await self._converse(opening_of(outbound))
        if isinstance(reply, Reply) and reply.kind == "result":
            self._said = reply
            return await self._send(encode.request(None, "notifications/initialized", {}))
        self._running.cancel()
        self._server = None
        return reply if isinstance(reply, Refusal) else _unreachable(f"initialize: {reply.payload[:200]!r}")

    async def _supervise(self, *, task_status: anyio.abc.TaskStatus[ServerProcess]) -> None:
        self._running = anyio.CancelScope()
        with self._running:
            async with start(self._capped) as server:
                task_status.started(server)
                async for line in server.lines():
                    if isinstance(line, Refusal):
                        break
                    self._failures = 0
                    self._deliver(line)
        self._server = None
        self._failures += 1
        self._not_before = anyio.current_time() + BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1]
        for conversation, _ in list(self._waiting.values()):
            conversation.end(BROKEN_OFF)

    def _deliver(self, line: bytes) -> None:
        reply = read_reply(line)
        if isinstance(reply, Refusal):
            return  # servers print stray lines; what is waited for runs into its deadline, not into a guess
        if reply.kind == "notification":
            self._deliver_progress(reply, line)
        elif isinstance(reply.id, int) and reply.id in self._waiting and reply.kind != "request":
            self._waiting[reply.id][0].end(reply)

    def _deliver_progress(self, reply: Reply, line: bytes) -> None:
        # Only progress names its request; any other notification cannot be given to one caller without a guess.
        if reply.method != _PROGRESS:
            return
        try:
            notice = msgspec.json.decode(line, type=_Progress)
        except msgspec.DecodeError:
            return
        token = notice.params.get("progressToken")
        waiting = self._waiting.get(token) if isinstance(token, int) else None
        if waiting is not None and waiting[1] is not None:
            waiting[0].tell(encode.request(None, _PROGRESS, {**notice.params, "progressToken": waiting[1]}))


class _Progress(msgspec.Struct):
    params: dict[str, object]


def _with_token(params: dict[str, object], request_id: int) -> tuple[dict[str, object], object]:
    meta = params.get("_meta")
    if not isinstance(meta, dict) or "progressToken" not in meta:
        return params, None
    theirs: dict[str, object] = msgspec.convert(meta, dict[str, object])
    return {**params, "_meta": {**theirs, "progressToken": request_id}}, theirs["progressToken"]


def _unreachable(detail: str) -> Refusal:
    return Refusal(
        "upstream",
        (Reason.UPSTREAM_UNREACHABLE,),
        "The server does not run at the moment. Nothing was sent; try again later.",
        detail,
    )


def _too_large() -> Refusal:
    return Refusal(
        "upstream",
        (Reason.UPSTREAM_TOO_LARGE,),
        "The server's answer is larger than this server's limit. The call took effect; ask for less, or have the limit raised.",
    )


@asynccontextmanager
async def supervision() -> AsyncGenerator[TaskGroup]:
    """Hold the task group that server processes live in; leaving it ends them all.

    An error from inside comes out as itself, not wrapped in a group: it is one error, told at one place.
    """
    try:
        async with anyio.create_task_group() as group:
            try:
                yield group
            finally:
                group.cancel_scope.cancel()
    except BaseExceptionGroup as group_of_errors:
        raise _only(group_of_errors) from None


def _only(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
