"""A server over stdio (2026-07-28 basic/transports/stdio, 2025-11-25 basic/transports): one process per era, shared.

The process is started when first asked, ends with the gateway, and after a failure is started again no sooner than the
back-off allows.
"""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, TypeGuard

import anyio
from anyio.abc import TaskGroup, TaskStatus

from tallystick.gateway.upstream.connector import unreachable
from tallystick.gateway.upstream.conversation import BROKEN_OFF, Outbound
from tallystick.gateway.upstream.http import opening_of
from tallystick.gateway.upstream.pipe import Pipe
from tallystick.runtime import Capped, start
from tallystick.terms import Refusal, TallyError
from tallystick.wire import Reply

BACK_OFF_S: Final = (0.0, 0.5, 2.0, 8.0, 30.0)
"""Seconds to wait after the n-th failure in a row; a process that answered a request starts the row anew."""


class StdioUpstream:
    """One server behind one command."""

    def __init__(self, capped: Capped, supervising: TaskGroup) -> None:
        """Run the command's processes in the task group `supervising`."""
        # The era belongs to the process (2026-07-28, stdio); eras with sessions share one, opened once.
        self._by_sessions = {sessions: _Supervised(capped, supervising) for sessions in (False, True)}

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request over the pipe of its era."""
        return await self._by_sessions[outbound.era.sessions].ask(outbound)

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Return the answer to `initialize` or `server/discover`."""
        return await self._by_sessions[outbound.era.sessions].introduce(outbound)

    async def forget(self, conversation: str) -> None:
        """Do nothing: the process outlives conversations."""

    def close(self) -> None:
        """End the processes; calls under way are told that the server broke off."""
        for supervised in self._by_sessions.values():
            supervised.stop()


class _Supervised:
    """The process of one era, whichever one runs at the moment."""

    def __init__(self, capped: Capped, supervising: TaskGroup) -> None:
        self._capped = capped
        self._supervising = supervising
        self._starting = anyio.Lock()
        self._pipe: Pipe | None = None
        self._said: Reply | None = None
        self._failures = 0
        self._not_before = -math.inf

    def stop(self) -> None:
        if self._pipe is not None:
            self._pipe.stop()

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        pipe = await self._ready(outbound)
        return pipe if isinstance(pipe, Refusal) else await pipe.converse(outbound)

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        if not outbound.era.sessions:
            return await self.ask(outbound)
        pipe = await self._ready(outbound)
        return pipe if isinstance(pipe, Refusal) else self._said or BROKEN_OFF

    async def _ready(self, outbound: Outbound) -> Pipe | Refusal:
        if self._pipe is not None and not self._pipe.ended:
            return self._pipe
        with anyio.move_on_after(outbound.timeout_s):
            async with self._starting:
                # Somebody else may have started it while this call waited for its turn.
                if self._pipe is not None and not self._pipe.ended:
                    return self._pipe
                return await self._start(outbound)
        return unreachable(f"the process did not start in {outbound.timeout_s:.1f} s")

    async def _start(self, outbound: Outbound) -> Pipe | Refusal:
        wait = self._not_before - anyio.current_time()
        if wait > 0:
            return unreachable(f"the process failed {self._failures} times and starts again in {wait:.1f} s")
        try:
            pipe = await self._supervising.start(self._supervise)
        except TallyError as error:
            self._fail()
            return unreachable(error.message)
        try:
            refusal = await self._open(pipe, outbound) if outbound.era.sessions else None
        except BaseException:
            self._discard(pipe)
            raise
        if refusal is not None:
            self._discard(pipe)
            return refusal
        self._pipe = pipe
        if pipe.ended:
            self._fail()
        return pipe

    async def _open(self, pipe: Pipe, outbound: Outbound) -> Refusal | None:
        reply = await pipe.converse(opening_of(outbound))
        if isinstance(reply, Reply) and reply.kind == "result":
            self._said = reply
            return await pipe.note("notifications/initialized", {})
        return reply if isinstance(reply, Refusal) else unreachable(f"initialize: {reply.payload[:200]!r}")

    async def _supervise(self, *, task_status: TaskStatus[Pipe]) -> None:
        async with start(self._capped) as server:
            pipe = Pipe(server)
            task_status.started(pipe)
            await pipe.listen()
            if self._pipe is pipe:
                # Counted before the process is reaped, so that nobody waits for its last breath.
                self._failures = 0 if pipe.served else self._failures
                self._fail()

    def _discard(self, pipe: Pipe) -> None:
        pipe.stop()
        self._fail()

    def _fail(self) -> None:
        self._failures += 1
        self._not_before = anyio.current_time() + BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1]


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
    except BaseExceptionGroup as errors:
        raise _only(errors) from None


def _only(error: BaseException) -> BaseException:
    while _is_group(error) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)
