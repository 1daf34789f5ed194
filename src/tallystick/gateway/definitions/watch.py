"""Watching that servers still say what was approved: before calls, when they say that something changed, and in rounds.

INVARIANT: what was seen to differ is held back from then on, whatever the server says next.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from tallystick.gateway.bridge.background import Background
from tallystick.gateway.definitions.judge import Approved, Judged, approved, judge
from tallystick.gateway.definitions.model import Bounds, Clocks, Quarantines, Report
from tallystick.gateway.definitions.observe import Heard, View, hear
from tallystick.gateway.upstream import Upstream
from tallystick.registry import Server, definition
from tallystick.registry import model as registry
from tallystick.snapshot import Holder
from tallystick.terms import Reason, Refusal, ServerId, TallyError, ToolId

VIEWS: Final = 50_000
"""Views that are remembered as compared; the oldest is compared again when it calls."""

INLINE: Final = 64 << 10
"""Bytes that are read and compared where they came; more goes to a thread, so that nobody else waits for it."""

RETRY_S: Final = 5.0
"""Seconds after which a report is made again that could not be kept."""

_HIGH: Final = frozenset({"high", "critical"})
_log: Final = logging.getLogger(__name__)
_UNFINISHED: Final = Refusal(
    "unavailable",
    (Reason.UPSTREAM_BROKEN,),
    "What the server says of itself could not be compared with what was approved, so nothing was sent. Try later.",
)

_NO_PINS: Final[Mapping[ServerId, registry.Pin]] = {}
_NO_SERVERS: Final[Mapping[ServerId, Server]] = {}
Key = tuple[ServerId, str, bool]
"""A view: the server, the conversation ("" where all share a process), whether its era has sessions."""


class Look:
    """One look under way, which everybody who wants the same one waits for."""

    __slots__ = ("done", "refused")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.refused: Refusal | None = _UNFINISHED


class Watch:
    """What is known of servers' definitions in this process."""

    def __init__(
        self,
        holder: Holder,
        upstreams: Callable[[], Mapping[ServerId, Upstream]],
        supervising: TaskGroup,
        bounds: Bounds,
        told: Callable[[], None],
        clocks: Clocks,
    ) -> None:
        """Look in tasks of `supervising`; `told` is called when something was held back, so that clients list anew."""
        self.holder = holder
        self.upstreams = upstreams
        self.bounds = bounds
        self.background = Background(supervising)
        self.quarantines: Quarantines | None = None
        self._told = told
        self._wall, self._clock = clocks
        self._fresh: dict[Key, tuple[float, View]] = {}
        self._compared: set[ServerId] = set()
        self._running: dict[Key, Look] = {}
        self._epochs: dict[ServerId, int] = {}
        self._good: dict[Key, tuple[registry.Pin, bytes]] = {}
        self._known: dict[ServerId, tuple[registry.Pin, definition.Definition]] = {}
        self._news: dict[ServerId, tuple[str, ...]] = {}
        self._unreported: dict[ServerId, Report] = {}
        self._ways: dict[ServerId, tuple[registry.Pin | None, Upstream | None]] = {}

    def pins(self) -> Mapping[ServerId, registry.Pin]:
        """Return what was approved, as of now."""
        return _NO_PINS if self.holder.current is None else self.holder.current.registry.pins

    def servers(self) -> Mapping[ServerId, Server]:
        """Return the servers that there are."""
        return _NO_SERVERS if self.holder.current is None else self.holder.current.registry.servers

    def is_fresh(self, server: Server, view: View, risk: str) -> bool:
        """Whether a caller's view of a server was compared lately enough for a tool of that risk."""
        known = self._fresh.get(_key(server, view))
        if known is None:
            return False
        return self._clock() - known[0] < (self.bounds.fresh_high_s if risk in _HIGH else self.bounds.fresh_s)

    async def confirm(self, server: Server, view: View) -> Refusal | None:
        """Look at a server as `view` does, together with whoever else wants to; refused where it cannot be asked.

        What differs is held back when this returns: ask the holder.
        """
        look = self.look(server, view)
        await look.done.wait()
        return look.refused

    def look(self, server: Server, view: View) -> Look:
        """Start a look, or join the one that is under way."""
        key = _key(server, view)
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = Look()
            own = view if _is_apart(server) else View(view.era)
            self.background.start(partial(self._run, key, server, own, running))
        return running

    def renew(self) -> None:
        """Take note of a new snapshot: what was pinned anew, or is reached in another way, is compared anew."""
        pins, upstreams = self.pins(), self.upstreams()
        for server in {*self._ways, *pins}:
            way = pins.get(server), upstreams.get(server)
            known = self._ways.get(server)
            if known is None or known[0] is not way[0] or known[1] is not way[1]:
                self.forget(server)
                self._ways[server] = way
            if way == (None, None):
                self._ways.pop(server, None)

    def forget(self, server: ServerId) -> tuple[View, ...]:
        """Take nothing of a server for compared any more; return the views that were, the newest first."""
        self._epochs[server] = self._epochs.get(server, 0) + 1
        if server not in self._compared:
            # A server may say a thousand times a second that something changed: only what was kept is searched for.
            return ()
        self._compared.discard(server)
        keys = [key for key in self._fresh if key[0] == server]
        return tuple([self._fresh.pop(key)[1] for key in reversed(keys)])

    def opened(self, server: Server, conversation: str | None) -> None:
        """Take note that a session (None: a process) was opened: what it says is compared, at once where it is known.

        One that a look has opened itself is being compared already.
        """
        for key in [(server.name, conversation or "", sessions) for sessions in (True, False)]:
            known = None if key in self._running else self._fresh.pop(key, None)
            if known is not None:
                self.look(server, known[1])

    def has_seen(self, server: ServerId) -> bool:
        """Whether a server was looked at since it was reached in this way."""
        return any(key[0] == server for key in self._fresh)

    def epoch(self, server: ServerId) -> int:
        """Return a number that changes whenever what was compared of a server no longer counts."""
        return self._epochs.get(server, 0)

    async def report_again(self) -> None:
        """Report what could not be reported before."""
        for server in tuple(self._unreported):
            report = self._unreported.pop(server, None)
            if report is not None:
                await self._report(report)

    async def _run(self, key: Key, server: Server, view: View, look: Look) -> None:
        try:
            look.refused = await self._compare(key, server, view)
        finally:
            del self._running[key]
            look.done.set()

    async def _compare(self, key: Key, server: Server, view: View) -> Refusal | None:
        pin, upstream = self.pins().get(server.name), self.upstreams().get(server.name)
        epoch = self.epoch(server.name)
        known = approved(self._definition(pin), view.era) if pin is not None else None
        if pin is None or upstream is None:
            # Nothing of it can be called.
            return None
        if known is None:
            # INVARIANT: what cannot be compared is not called: a toolset offers tools of a pin without versions, too.
            return _UNFINISHED
        heard = await hear(upstream, view._replace(era=known.era), self.bounds.timeout_s, known.wanted)
        if isinstance(heard, Refusal):
            return heard
        if not self._is_approved(known.pinned):
            # What was approved meanwhile differs from what was approved before, which is nothing against it.
            return _UNFINISHED
        if self._good.get(key) != (pin, heard.digest):
            judged = await _judged(known, heard)
            if isinstance(judged, Refusal):
                return judged
            self._take(key, pin, judged, heard)
        if self.epoch(server.name) == epoch:
            self._keep(key, view)
        return None

    def _is_approved(self, pinned: definition.Definition) -> bool:
        pin = self.pins().get(pinned.server)
        return pin is not None and self._definition(pin).digest == pinned.digest

    def _definition(self, pin: registry.Pin) -> definition.Definition:
        known = self._known.get(pin.server)
        if known is None or known[0] is not pin:
            known = self._known[pin.server] = (pin, definition.of_pin(pin))
        return known[1]

    def _keep(self, key: Key, view: View) -> None:
        self._fresh.pop(key, None)
        self._fresh[key] = (self._clock(), view)
        self._compared.add(key[0])
        if len(self._fresh) > VIEWS:
            oldest = next(iter(self._fresh))
            del self._fresh[oldest]
            self._good.pop(oldest, None)

    def _take(self, key: Key, pin: registry.Pin, judged: Judged, heard: Heard) -> None:
        difference = judged.difference
        at = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="seconds")
        marks = {
            name: registry.Quarantine(at, digest, "it differs from what was approved")
            for name, digest in difference.quarantine.items()
            if self.holder.quarantined(pin.server, None if name == definition.SERVER else ToolId(name)) is None
        }
        if marks:
            # At once, and only then explained: explaining takes time.
            self.holder.hold(pin, marks)
            self._told()
            _log.warning("server %s differs from what was approved: %s is held back", pin.server, sorted(marks))
        if not difference.quarantine:
            self._good.pop(key, None)
            self._good[key] = (pin, heard.digest)
            if len(self._good) > VIEWS:
                # Of views that were forgotten nothing else would ever let go.
                del self._good[next(iter(self._good))]
        is_news = bool(difference.new) and self._news.get(pin.server) != difference.new
        if is_news:
            self._news[pin.server] = difference.new
        if marks or is_news:
            self.background.start(partial(self._explain, pin, judged.observed, marks, at))

    async def _explain(
        self, pin: registry.Pin, observed: definition.Definition, marks: Mapping[str, registry.Quarantine], at: str
    ) -> None:
        pinned, others = self._definition(pin), self._others(pin.server)
        findings = await anyio.to_thread.run_sync(definition.diff, pinned, observed, others)
        explained = {
            name: registry.Quarantine(mark.since, mark.digest, definition.told.why(findings, _place(name)))
            for name, mark in marks.items()
        }
        await self._report(Report(pin.server, explained, findings, observed, at))

    async def _report(self, report: Report) -> None:
        if self.quarantines is None:
            return
        try:
            await self.quarantines.report(report)
        except TallyError as error:
            _log.warning("what differs at server %s could not be reported: %s", report.server, error.message)
            later = self._unreported.get(report.server)
            kept = {**report.quarantined, **(later.quarantined if later is not None else {})}
            self._unreported[report.server] = (later or report)._replace(quarantined=kept)
            self.background.start(self._retry)

    async def _retry(self) -> None:
        await anyio.sleep(RETRY_S)
        await self.report_again()

    def _others(self, server: ServerId) -> dict[ServerId, tuple[str, ...]]:
        """Return the tools of the other servers of a server's tenant."""
        servers = self.servers()
        own = servers.get(server)
        return {
            name: tuple(other.tools)
            for name, other in servers.items()
            if own is not None and name != server and other.tenant == own.tenant
        }


def _place(name: str) -> str:
    return "" if name == definition.SERVER else f"tools/{name}"


def _is_apart(server: Server) -> bool:
    """Whether a server can tell conversations apart: over HTTP it can, a process serves all of them."""
    return isinstance(server.transport, registry.HttpTransport)


def _key(server: Server, view: View) -> Key:
    return server.name, view.conversation if _is_apart(server) else "", view.era.sessions


async def _judged(known: Approved, heard: Heard) -> Judged | Refusal:
    size = len(heard.opened or b"") + sum(len(page) for pages in heard.lists.values() for page in pages)
    return judge(known, heard) if size <= INLINE else await anyio.to_thread.run_sync(judge, known, heard)
