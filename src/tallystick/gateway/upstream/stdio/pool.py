"""The processes of a server of an era with sessions: one that all clients share, and spare ones while it is held up.

A question of a process names no call, so it is passed on only while a single call is under way there. A client that
does not answer would thus keep everybody else's calls from being asked anything, for as long as it is waited for. While
the answer to a question is awaited in a process, calls that may be asked something go to another one.
"""

from collections.abc import Callable, Iterator
from typing import Final

from anyio.abc import TaskGroup

from tallystick.gateway.upstream.conversation import ASKABLE
from tallystick.gateway.upstream.model import Call, Outbound
from tallystick.gateway.upstream.stdio.pipe import Pipe, Spare
from tallystick.gateway.upstream.stdio.supervised import Supervised
from tallystick.runtime import Capped
from tallystick.terms import Refusal
from tallystick.wire import Era

PROCESSES: Final = 4
"""Processes of one server at most. When an answer is awaited in each, further questions are refused, calls go on."""

EACH: Final = 3
"""Processes in which answers of one client are awaited at most: one is left for the others."""

IDLE_S: Final = 60.0
"""Seconds after which a spare process ends that nobody needed."""

_KINDS: Final = frozenset(method.partition("/")[0] for method in ASKABLE)
_ASKING: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods whose server may want to ask something (2026-07-28, basic/patterns/mrtr, counts the same ones)."""


class Pool:
    """The processes of one server. `first` is the shared one.

    To it goes whatever no question can come of: lists, subscriptions, calls of clients that declared nothing to be
    asked. A server that keeps state in its process shows the state of another process to a call that goes elsewhere.
    """

    def __init__(
        self, capped: Capped, supervising: TaskGroup, opened: Callable[[str | None], None] | None = None
    ) -> None:
        """Run the command's processes in the task group `supervising`; `opened` is called for each that is up."""
        self.first = Supervised(capped, supervising, None, opened)
        spare = (Supervised(capped, supervising, self._as_spare, opened) for _ in range(PROCESSES - 1))
        self._all = (self.first, *spare)

    @property
    def running(self) -> Iterator[Pipe]:
        """The processes that run."""
        return (one.running for one in self._all if one.running is not None)

    async def begin(self, outbound: Outbound, era: Era) -> Call | Refusal:
        """Send one request to the process that it belongs to."""
        for _ in range(PROCESSES):
            chosen = self._choose(outbound)
            if chosen is self.first:
                break
            pipe = await chosen.ready(era)
            if not isinstance(pipe, Pipe):
                break
            # While it was started, somebody else may have been asked something there.
            if self._choose(outbound) is chosen:
                return await pipe.begin(outbound)
        # The shared process is where calls go on, whatever became of another.
        pipe = await self.first.ready(era)
        return await pipe.begin(outbound) if isinstance(pipe, Pipe) else pipe

    def close(self) -> None:
        """End the processes; calls under way are told that the server broke off."""
        for one in self._all:
            one.close()

    def _choose(self, outbound: Outbound) -> Supervised:
        if outbound.method not in _ASKING or _KINDS.isdisjoint(outbound.client.capabilities):
            return self.first
        held = self._held()
        if not held:
            return self.first
        if outbound.era.sessions:
            # What a client does while it is asked something may be about that, and have to meet the same state.
            own = (one for one, asked in held.items() if asked.conversation == outbound.conversation)
            found = next(own, None)
            if found is not None:
                return found
        if sum(1 for asked in held.values() if asked.context == outbound.context) >= EACH:
            return self.first
        free = [one for one in self._all if one not in held]
        ready = (one for one in free if one is self.first or one.running is not None)
        startable = (one for one in free if one.may_start)
        return next(ready, None) or next(startable, self.first)

    def _held(self) -> dict[Supervised, Outbound]:
        """Return the processes in which an answer is awaited, and to what request it belongs."""
        held: dict[Supervised, Outbound] = {}
        for one in self._all:
            running = one.running
            asked = None if running is None else running.open_to
            if asked is not None:
                held[one] = asked
        return held

    def _as_spare(self) -> Spare:
        return Spare(IDLE_S, self._hear)

    def _hear(self, notification: bytes) -> None:
        # Whoever listens does so at the shared process, and need not know that there are others.
        if self.first.running is not None:
            self.first.running.hear(notification)
