"""Looking at servers unasked: in rounds, and when one of them says that its lists have changed."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio

from tallystick.gateway.bridge import Alone
from tallystick.gateway.definitions.observe import OWN, View
from tallystick.gateway.definitions.watch import Watch
from tallystick.gateway.upstream import Outbound, Wanted
from tallystick.registry import Server, definition
from tallystick.registry import model as registry
from tallystick.terms import ServerId
from tallystick.wire import ERAS

SETTLING_S: Final = 1.0
"""Seconds between two looks at a server that says again and again that its lists have changed."""

VIEWS: Final = 16
"""Callers' views that are looked at when a server says so; the others are when they call."""

_CHANGED: Final = b"list_changed"
_BYTES: Final = 1 << 20


class _Ear(Alone):
    """Hears that lists have changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    async def emit(self, message: bytes) -> None:
        if _CHANGED in message:
            self._changed()


class Rounds:
    """One process's rounds: of several workers, one makes them for all."""

    def __init__(self, watch: Watch, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        """Make rounds for what `watch` watches."""
        self._watch = watch
        self._sleep = sleep
        self._listening: set[ServerId] = set()
        self._settling: set[ServerId] = set()

    async def run(self) -> None:
        """Look at every server once in a while, for ever."""
        while True:
            servers = tuple(self._watch.pins())
            pause = self._watch.bounds.every_s / max(1, len(servers))
            for name in servers or (None,):
                await self._sleep(pause)
                if name is not None:
                    self.visit(name)

    def visit(self, name: ServerId) -> None:
        """Look at one server as the gateway itself sees it, and listen to it from then on."""
        server = self._watch.servers().get(name)
        if server is None or not self._is_up(server):
            return
        view = self._view(server)
        if view is not None:
            self._watch.look(server, view)
            self.listen(server)

    def listen(self, server: Server) -> None:
        """Listen for changed lists, where the server says that it tells of them."""
        if server.name not in self._listening and self._tells(server.name):
            self._listening.add(server.name)
            self._watch.background.start(partial(self._attend, server))

    def changed(self, server: Server) -> None:
        """Look again, because the server says that its lists have changed."""
        views = self._watch.forget(server.name)[:VIEWS]
        if server.name not in self._settling:
            self._settling.add(server.name)
            self._watch.background.start(partial(self._settle, server, views))

    async def _settle(self, server: Server, views: tuple[View, ...]) -> None:
        own = self._view(server)
        try:
            while True:
                epoch = self._watch.epoch(server.name)
                for view in (*([own] if own is not None else []), *views):
                    # What is under way may have asked before the change.
                    await self._watch.confirm(server, view)
                    if not self._watch.is_fresh(server, view, ""):
                        await self._watch.confirm(server, view)
                await self._sleep(SETTLING_S)
                if self._watch.epoch(server.name) == epoch:
                    return
        finally:
            self._settling.discard(server.name)

    async def _attend(self, server: Server) -> None:
        try:
            upstream, view = self._watch.upstreams().get(server.name), self._view(server)
            if upstream is None or view is None:
                return
            ear = _Ear(partial(self.changed, server))
            listening = Outbound(view.era, "subscriptions/listen", {}, OWN, ear, float("inf"), _BYTES)
            await upstream.listen(listening, Wanted(prompts_list=True, resources_list=True, tools_list=True))
        finally:
            self._listening.discard(server.name)

    def _is_up(self, server: Server) -> bool:
        """Whether looking starts nothing: a process that nobody has needed yet is compared when it is first called."""
        return server.state == "approved" and (
            isinstance(server.transport, registry.HttpTransport) or self._watch.has_seen(server.name)
        )

    def _view(self, server: Server) -> View | None:
        pin = self._watch.pins().get(server.name)
        version = (
            next((version for version in sorted(pin.eras, reverse=True) if version in ERAS), None) if pin else None
        )
        return None if version is None else View(ERAS[version])

    def _tells(self, name: ServerId) -> bool:
        pin = self._watch.pins().get(name)
        return pin is not None and any(
            definition.plain.object_of(declared).get("listChanged") is True
            for said in pin.eras.values()
            for declared in definition.plain.object_of(said.get("capabilities")).values()
        )
