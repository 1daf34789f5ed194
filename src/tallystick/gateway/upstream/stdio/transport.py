"""One server behind one command: its processes, each in the era that it speaks."""

from collections.abc import Callable
from dataclasses import replace

from anyio.abc import TaskGroup

from tallystick.gateway.upstream.conversation import BROKEN_OFF, Ended
from tallystick.gateway.upstream.model import Call, Outbound
from tallystick.gateway.upstream.stdio.pipe import Pipe
from tallystick.gateway.upstream.stdio.pool import Pool
from tallystick.gateway.upstream.stdio.supervised import Supervised
from tallystick.runtime import Capped
from tallystick.terms import Refusal
from tallystick.wire import Era, Reply


class StdioTransport:
    """One server behind one command."""

    def __init__(
        self, capped: Capped, supervising: TaskGroup, opened: Callable[[str | None], None] | None = None
    ) -> None:
        """Run the command's processes in the task group `supervising`; `opened` is called for each that is up."""
        # The era belongs to the process (2026-07-28, stdio); eras with sessions share theirs, opened once.
        self._modern = Supervised(capped, supervising, None, opened)
        self._pool = Pool(capped, supervising, opened)

    async def begin(self, outbound: Outbound, era: Era) -> Call | Refusal:
        """Send one request over the pipe of its kind of era."""
        if era.sessions:
            return await self._pool.begin(outbound, era)
        pipe = await self._modern.ready(era)
        return await pipe.begin(outbound) if isinstance(pipe, Pipe) else pipe

    async def open_stream(self, outbound: Outbound) -> Call | Refusal:
        """Hear what the processes say to nobody in particular."""
        pipe = await self._pool.first.ready(outbound.era)
        return pipe.tap() if isinstance(pipe, Pipe) else pipe

    async def note(self, outbound: Outbound, era: Era) -> Refusal | None:
        """Send one notification to each process that runs."""
        running = self._modern.running
        pipes = tuple(self._pool.running) if era.sessions else () if running is None else (running,)
        refused = [await pipe.note(outbound.method, outbound.params) for pipe in pipes]
        return next((refusal for refusal in refused if refusal is not None), None)

    async def introduce(self, outbound: Outbound, era: Era) -> Reply | Refusal:
        """Return the answer to `initialize` or `server/discover`."""
        supervised = self._pool.first if era.sessions else self._modern
        pipe = await supervised.ready(era)
        if not isinstance(pipe, Pipe):
            return pipe.end if isinstance(pipe, Ended) else pipe
        if era.sessions:
            return supervised.said or BROKEN_OFF
        asking = replace(outbound, method=era.opening)
        call = await pipe.begin(asking)
        end = call if isinstance(call, Refusal) else await call.follow(asking)
        return end if isinstance(end, Reply | Refusal) else BROKEN_OFF

    async def forget(self, conversation: str) -> None:
        """Do nothing: the processes outlive conversations."""

    def close(self) -> None:
        """End the processes; calls under way are told that the server broke off."""
        self._modern.close()
        self._pool.close()
