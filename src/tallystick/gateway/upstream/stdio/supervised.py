"""One process, started when first asked and again after a failure, no sooner than the back-off allows."""

import math
from collections.abc import Callable
from typing import Final

import anyio
from anyio.abc import TaskGroup

from tallystick.gateway.upstream.connector import unreachable
from tallystick.gateway.upstream.conversation import TIMED_OUT, Ended
from tallystick.gateway.upstream.opening import (
    SERVED,
    UNSUPPORTED_VERSION,
    agreed,
    discovery_params,
    has_sessions,
    offered,
    opening_params,
    supported,
)
from tallystick.gateway.upstream.stdio.pipe import Pipe, Spare
from tallystick.runtime import Capped, start
from tallystick.terms import Refusal, TallyError
from tallystick.wire import Era, Reply

BACK_OFF_S: Final = (0.0, 0.5, 2.0, 8.0, 30.0)
"""Seconds to wait after the n-th failure in a row; a process that answered a request starts the row anew."""

START_S: Final = 30.0
"""Seconds that a process gets until it has opened; a caller waits for that apart from its own deadline."""

_METHOD_NOT_FOUND: Final = -32601


class _Start:
    """One attempt to start a process, and what came of it."""

    def __init__(self) -> None:
        self.settled = anyio.Event()
        self.pipe: Pipe | Refusal | Ended = unreachable("the process ended before it had opened")


class Supervised:
    """A process, whichever one runs at the moment. `said` is what it last said of itself.

    `spare` makes it one that stands in for another: it ends when it has had nothing to do for a while.
    """

    def __init__(
        self,
        capped: Capped,
        supervising: TaskGroup,
        spare: Callable[[], Spare] | None = None,
        opened: Callable[[str | None], None] | None = None,
    ) -> None:
        """Run the command in the task group `supervising`; `opened` is called (with None) for each that is up."""
        self._opened = opened
        self._capped = capped
        self._supervising = supervising
        self._spare = spare
        self._starting: _Start | None = None
        self._pipe: Pipe | None = None
        self.said: Reply | None = None
        self._last: Refusal | Ended | None = None
        self._failures = 0
        self._not_before = -math.inf
        self._closed = False

    @property
    def running(self) -> Pipe | None:
        """The process, if one has opened and not ended."""
        return self._pipe if self._pipe is not None and not self._pipe.ended else None

    @property
    def may_start(self) -> bool:
        """Whether a process would be started now, or is being started already."""
        return self._starting is not None or self._refuse() is None

    def close(self) -> None:
        """End the process, and start none any more."""
        self._closed = True
        if self._pipe is not None:
            self._pipe.stop()

    async def ready(self, era: Era) -> Pipe | Refusal | Ended:
        """Return a process that has opened. One that is being started is waited for, however impatient the caller."""
        if self.running is not None:
            return self.running
        starting = self._starting
        if starting is None:
            refused = self._refuse()
            if refused is not None:
                return refused
            starting = self._starting = _Start()
            self._supervising.start_soon(self._supervise, starting, era)
        # The attempt is everybody's: a caller who goes away meanwhile does not end it.
        await starting.settled.wait()
        return starting.pipe

    def _refuse(self) -> Refusal | Ended | None:
        wait = self._not_before - anyio.current_time()
        if self._closed:
            return unreachable("this way to the server is closed")
        if wait <= 0:
            return None
        failed = f"the process failed {self._failures} times and starts again in {wait:.1f} s"
        return self._last if isinstance(self._last, Ended) else unreachable(failed)

    async def _supervise(self, starting: _Start, era: Era) -> None:
        try:
            async with start(self._capped) as server:
                spare = None if self._spare is None else self._spare()
                pipe = Pipe(server, self._over, asks=era.sessions, spare=spare)
                async with anyio.create_task_group() as running:
                    running.start_soon(pipe.listen)
                    refused = await self._open(pipe, era)
                    self._settle(starting, refused or pipe)
        except TallyError as error:
            self._settle(starting, unreachable(error.message))
        finally:
            if not starting.settled.is_set():
                self._settle(starting, starting.pipe)

    def _settle(self, starting: _Start, outcome: Pipe | Refusal | Ended) -> None:
        starting.pipe = outcome
        self._starting = None
        if isinstance(outcome, Pipe):
            self._pipe = outcome
            if self._opened is not None:
                self._opened(None)
        else:
            self._last = outcome
            self._fail(served=False)
        starting.settled.set()

    async def _open(self, pipe: Pipe, era: Era) -> Refusal | Ended | None:
        refused = await (_initialize if era.sessions else _discover)(pipe, era)
        if isinstance(refused, Reply):
            self.said = refused
            refused = None
        if refused is not None or self._closed:
            pipe.stop()
        return refused

    def _over(self, pipe: Pipe) -> None:
        # One that never opened has been counted already. Nobody waits until it is reaped.
        if self._pipe is pipe and not pipe.idled:
            self._fail(served=pipe.served)

    def _fail(self, *, served: bool) -> None:
        self._failures = 1 if served else self._failures + 1
        self._not_before = anyio.current_time() + BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1]


async def _initialize(pipe: Pipe, era: Era) -> Reply | Refusal | Ended:
    """Open a process of an era with sessions, for all its clients at once: it is told what any of them might do."""
    reply = await pipe.open("initialize", opening_params(SERVED, era), START_S)
    again = offered(reply, sessions=True)
    if again is not None:
        reply = await pipe.open("initialize", opening_params(SERVED, again), START_S)
    if isinstance(reply, Refusal):
        return _not_opened("initialize", reply)
    if reply.kind != "result":
        is_evidence = reply.rpc_code in (_METHOD_NOT_FOUND, UNSUPPORTED_VERSION)
        return Ended(reply, "not_spoken") if is_evidence else unreachable(f"initialize: {reply.payload[:200]!r}")
    version = agreed(reply)
    if version is not None and not has_sessions(version):
        return Ended(unreachable(f"initialize: version {version[:40]!r} has no sessions"), "not_spoken")
    return await pipe.note("notifications/initialized", {}) or reply


async def _discover(pipe: Pipe, era: Era) -> Reply | Refusal | Ended:
    """Prove that a process speaks an era without sessions: whatever else it answers, or silence, says that it does not.

    2026-07-28, basic/transports/stdio (backward compatibility).
    """
    reply = await pipe.open("server/discover", discovery_params(era), START_S)
    if isinstance(reply, Refusal):
        refused = _not_opened("server/discover", reply)
        return Ended(refused, "not_spoken") if reply is TIMED_OUT else refused
    # Who refuses the version in the era's own words speaks the era, unless what it names instead is all of another.
    knows = reply.rpc_code == UNSUPPORTED_VERSION and (not supported(reply) or offered(reply, sessions=False))
    return reply if reply.kind == "result" or knows else Ended(reply, "not_spoken")


def _not_opened(method: str, refused: Refusal) -> Refusal:
    # Whatever broke off, it was no call: of that, nothing was sent.
    return unreachable(f"{method}: {refused.detail or refused.public_text}")
