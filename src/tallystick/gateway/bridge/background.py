"""Work that outlives the request that caused it: probes, feeds, and the wait for parked calls."""

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup


class Background:
    """One server's work in the task group of all of them; it ends when the way to the server is let go."""

    def __init__(self, supervising: TaskGroup) -> None:
        """Run in `supervising`."""
        self._supervising = supervising
        self._scopes: set[anyio.CancelScope] = set()
        self._stopped = False

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`, which returns when it is done and raises for nothing but a bug."""
        if not self._stopped:
            scope = anyio.CancelScope()
            self._scopes.add(scope)
            self._supervising.start_soon(self._run, work, scope)

    def stop(self) -> None:
        """End all of it; nothing starts any more."""
        self._stopped = True
        for scope in tuple(self._scopes):
            scope.cancel()

    async def _run(self, work: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await work()
        finally:
            self._scopes.discard(scope)
