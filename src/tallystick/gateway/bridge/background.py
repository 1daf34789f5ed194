"""Work that outlives the request that caused it: probes, feeds, and the wait for parked calls."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from anyio.abc import TaskGroup

_log: Final = logging.getLogger(__name__)


class Background:
    """One server's work in the task group of all of them; it ends when the way to the server is let go."""

    def __init__(self, supervising: TaskGroup) -> None:
        """Run in `supervising`."""
        self._supervising = supervising
        self._scopes: set[anyio.CancelScope] = set()
        self._stopped = False

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work`, which returns when it is done. What it raises is logged, and ends nothing but this work."""
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
        except Exception:  # noqa: BLE001 - INVARIANT: what one server can break is never what serves the others
            _log.exception("work in the background of a server failed")
        finally:
            self._scopes.discard(scope)
