"""Live objects from settings and a snapshot, and what follows when the snapshot is replaced."""

import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from anyio.abc import TaskGroup

from tallystick.audit import Unwritable
from tallystick.audit.client import WriterClient, join_writer, start_writer
from tallystick.audit.leaf.call import call_id, configured
from tallystick.export import Gate, SinkEntry
from tallystick.gateway import Rooms, Streams, record_left
from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.gateway.context import Recording
from tallystick.gateway.definitions import Bounds, Clocks, Rounds, Watch
from tallystick.gateway.sealing import Keeper, Seal, Sessions, Store
from tallystick.gateway.upstream import Connector, Fetcher, HttpTransport, StdioTransport
from tallystick.gateway.upstream.stdio import supervision
from tallystick.guard import Bulkhead, Flood
from tallystick.identity import Algorithm, Authenticator, Limits, TrustedIssuer
from tallystick.registry.model import HttpTransport as HttpEntry
from tallystick.registry.model import IssuerEntry, Pin, Server
from tallystick.runtime import Capped
from tallystick.settings import Problem, Settings
from tallystick.snapshot import Holder, Snapshot
from tallystick.terms import Refusal, ServerId, TallyError, TenantId
from tallystick.wiring.keys import secret
from tallystick.wiring.record import tell_classes
from tallystick.wiring.worker import SharedBulkhead, Worker, writer_flags, writer_socket

if TYPE_CHECKING:
    from tallystick.audit.model import Level
    from tallystick.identity.issuer_dev import DevelopmentIssuer

PLATFORM: Final = TenantId("platform")
"""The tenant whose log holds what belongs to no tenant, such as a request to a route that nobody has."""

LINE_ROOM: Final = 8 << 20
"""Bytes that a line of a server over stdio may have beyond the limit of a result. One caller's result that is too large
is withheld from that caller; only a line without measure ends the process, which all callers share."""

STREAMS: Final = 20_000
"""Streams that one process keeps open at most; an idle one was measured at some tens of kilobytes."""

_CONFIGURED: Final = b"configuration"
"""The topic under which a configuration is recorded once, however many workers put it in force."""

clock = time.time  # noqa: TID251 - the one place where the real clock enters


def new_id() -> str:
    """Return a fresh ULID for a leaf."""
    return call_id(clock(), os.urandom(10))


class Gateway:
    """One gateway's live objects. `enforce` replaces what is in force as a whole, or not at all."""

    def __init__(
        self, settings: Settings, public_url: str, supervising: TaskGroup, recorder: WriterClient, worker: Worker
    ) -> None:
        """Hold nothing yet: without a snapshot every call is refused."""
        self.settings = settings
        self.worker = worker
        self._recorder = recorder
        self.public_url = public_url
        self.holder = Holder()
        self.trusted: tuple[TrustedIssuer, ...] = ()
        self.upstreams: Mapping[ServerId, Bridge] = {}
        self._servers: Mapping[ServerId, Server] = {}
        self._pins: Mapping[ServerId, Pin] = {}
        self._park = Park(drawn)
        self._supervising = supervising
        self._authenticator = Authenticator((), frozenset(), self.fetch, clock, _limits(settings))
        self._near: frozenset[str | None] = frozenset()
        self.development: DevelopmentIssuer | None = None
        self._rooms: Rooms | None = None
        self.gate: Gate | None = None

    @property
    def rooms(self) -> Rooms:
        """The corridor's rooms, once the record is open."""
        if self._rooms is None:
            message = "the gateway is not assembled"
            raise TallyError(code="internal", message=message)
        return self._rooms

    @rooms.setter
    def rooms(self, rooms: Rooms) -> None:
        self._rooms = rooms

    @property
    def ready(self) -> bool:
        """Whether calls can be decided and recorded at all."""
        return self.holder.current is not None and self.recording

    @property
    def recording(self) -> bool:
        """Whether there is a writer that takes leaves."""
        return self._recorder.connected

    @property
    def routes(self) -> tuple[str, ...]:
        """The routes in force, such as `servers/time`."""
        snapshot = self.holder.current
        return () if snapshot is None else tuple(snapshot.routes)

    def judge(self, compiled: Snapshot) -> tuple[Problem, ...]:
        """Return what stands against serving a snapshot here: issuers that cannot be trusted as they are written."""
        trusting = self._trusting(compiled)
        return (trusting,) if isinstance(trusting, Problem) else ()

    async def enforce(self, compiled: Snapshot, sinks: Iterable[SinkEntry]) -> Problem | None:
        """Put a snapshot in force, or return why it cannot be: nothing has changed then."""
        trusting = self._trusting(compiled)
        if isinstance(trusting, Problem):
            return trusting
        trusted, authenticator = trusting
        entries = compiled.registry.issuers.values()
        refused = await self._record(compiled)
        if refused is not None:
            return refused
        # INVARIANT: from here on nothing fails and nothing waits, so every call sees the old world or the new one.
        self.trusted, self._authenticator = trusted, authenticator
        self._near = frozenset(urlsplit(entry.issuer).hostname for entry in entries if entry.allow_special_addresses)
        before, self.upstreams = (
            self.upstreams,
            {
                name: self._upstream(server, compiled.registry.pins.get(name))
                for name, server in compiled.registry.servers.items()
            },
        )
        for name, upstream in before.items():
            if self.upstreams.get(name) is not upstream:
                upstream.close()
        self._servers, self._pins = compiled.registry.servers, compiled.registry.pins
        if self.gate is not None:
            self.gate.require(sinks)
        self.holder.accept(compiled)
        self.rooms.watch.renew()
        self.rooms.streams.stir()
        return None

    def order(self, fields: Mapping[str, object]) -> Awaitable[Mapping[str, object]]:
        """Give an order to the writer of the record; raises `TallyError`."""
        return self._recorder.order(fields)

    async def tell_classes(self) -> None:
        """Tell the record the retention classes of the settings; raises TallyError."""
        snapshot = self.holder.current
        if self.settings.audit.capture != "none" and snapshot is not None:
            await tell_classes(self._recorder.order, snapshot.registry.tenants, self.settings)

    def _trusting(self, compiled: Snapshot) -> tuple[tuple[TrustedIssuer, ...], Authenticator] | Problem:
        try:
            trusted = tuple(trusted_issuer(entry, self.settings) for entry in compiled.registry.issuers.values())
            return trusted, self._authenticator.replace(trusted, frozenset(compiled.registry.tenants))
        except TallyError as error:
            return Problem("issuers", "issuer", error.message, "correct the issuer")

    async def _record(self, compiled: Snapshot) -> Problem | None:
        """Record the change in every tenant's log, once for all workers; one that cannot be recorded is not made."""
        before, value = self.holder.current, compiled.digest.encode()
        replaced = before.digest if before is not None else None
        if replaced == compiled.digest:
            return None
        try:
            for tenant in compiled.registry.tenants:
                leaf = configured(tenant, compiled.digest, replaced, clock())
                await self._recorder.append_once(tenant, _CONFIGURED, value, leaf)
        except Unwritable as failure:
            return Problem("the record", "", failure.message, "repair the record and start again")
        return None

    async def fetch(self, url: str) -> bytes | Refusal:
        """Read an issuer's document: from the embedded development issuer directly, from others over the connector."""
        if self.development is not None and url.startswith(self.development.issuer_url + "/"):
            return await self.development.fetch(url)
        return await Fetcher(Connector(allow_special=urlsplit(url).hostname in self._near))(url)

    def tenant_of_issuer(self, url: str) -> TenantId:
        """Return the tenant whose log tells about an issuer's sign-ins: the one that trusts it, else the platform."""
        snapshot = self.holder.current
        entries = snapshot.registry.issuers.values() if snapshot is not None else ()
        return next((entry.tenant for entry in entries if entry.issuer == url and entry.tenant), PLATFORM)

    def authenticator(self) -> Authenticator:
        """Return the authenticator of the configuration in force."""
        return self._authenticator

    def _upstream(self, server: Server, pin: Pin | None) -> Bridge:
        known, eras = self._servers.get(server.name), _eras(self._pins.get(server.name))
        now = server.transport, server.limits, _eras(pin)
        # An unchanged way to a server keeps its connections, sessions, parked calls and process.
        if known is not None and (known.transport, known.limits, eras) == now:
            return self.upstreams[server.name]
        watch = self.rooms.watch

        def opened(conversation: str | None) -> None:
            watch.opened(server, conversation)

        return upstream_of(server, self.settings, self._supervising, _eras(pin), self._park, opened)


def _eras(pin: Pin | None) -> Mapping[str, Mapping[str, object]]:
    return {} if pin is None else pin.eras


def upstream_of(
    server: Server,
    settings: Settings,
    supervising: TaskGroup,
    pinned: Mapping[str, Mapping[str, object]],
    park: Park,
    opened: Callable[[str | None], None] | None = None,
) -> Bridge:
    """Return the way to a server, which said `pinned` of itself by protocol version; it parks its calls in `park`.

    `opened` is told the conversation of each session, and None for each process, that was opened.
    """
    apart = isinstance(server.transport, HttpEntry)
    setting = Setting(park, apart=apart, timeout_s=server.limits.timeout_s, result_bytes=server.limits.result_bytes)
    return Bridge(server.name, _transport_of(server, settings, supervising, opened), pinned, supervising, setting)


def _transport_of(
    server: Server, settings: Settings, supervising: TaskGroup, opened: Callable[[str | None], None] | None
) -> HttpTransport | StdioTransport:
    transport = server.transport
    if isinstance(transport, HttpEntry):
        connector = Connector(transport.allow_special_addresses, transport.ca_file)
        return HttpTransport(transport.url, connector, supervising, opened)
    limits = settings.runtime
    environment = {"PATH": os.defpath, **transport.env}
    return StdioTransport(
        Capped(
            transport.command,
            environment,
            transport.cwd,
            limits.memory_bytes,
            limits.open_files,
            server.limits.result_bytes + LINE_ROOM,
        ),
        supervising,
        opened,
    )


def origin_host(settings: Settings, public_url: str) -> str:
    """Return the first part of the origins of new logs."""
    return settings.audit.origin_host or urlsplit(public_url).netloc


def recording_of(settings: Settings) -> Recording:
    """Return how much of calls is kept, and how far their records must have come."""
    audit, levels = settings.audit, settings.audit.levels
    by_risk: dict[str, Level] = {
        "low": levels.low,
        "medium": levels.medium,
        "high": levels.high,
        "critical": levels.critical,
    }
    return Recording(
        audit.capture == "all",
        audit.capture_bytes,
        audit.retention,
        {risk: level for risk, level in by_risk.items() if level != "durable"},
        audit.level_timeout_s,
    )


def _limits(settings: Settings) -> Limits:
    identity = settings.identity
    return Limits(
        identity.keys_fresh_s, identity.keys_max_age_s, identity.keys_cool_down_s, cache_entries=identity.cached_tokens
    )


def trusted_issuer(entry: IssuerEntry, settings: Settings) -> TrustedIssuer:
    """Return the issuer as `identity` knows it."""
    algorithms: tuple[Algorithm, ...] = tuple(name for name in ("EdDSA", "ES256", "RS256") if name in entry.algorithms)
    return TrustedIssuer(
        entry.issuer,
        entry.tenant,
        entry.tenant_claim,
        algorithms,
        entry.subject_claim,
        entry.groups_claim,
        entry.client_claim,
        entry.agent_claim,
        entry.agent_value,
        entry.jwks_uri,
        settings.identity.clock_skew_s,
    )


@asynccontextmanager
async def open_store(file: Path) -> AsyncGenerator[Store]:
    """Open what is kept of sessions."""
    store = Store(file, clock())
    try:
        yield store
    finally:
        store.close()


def watch_for(gateway: Gateway, supervising: TaskGroup, streams: Streams) -> Watch:
    """Return what watches servers' definitions for one process; of several workers, the first makes the rounds."""
    given = gateway.settings.definitions
    bounds = Bounds(given.every_s, given.fresh_s, given.fresh_high_s, given.timeout_s)
    watch = Watch(gateway.holder, lambda: gateway.upstreams, supervising, bounds, streams.stir, Clocks(clock))
    if gateway.worker.index == 0:
        watch.background.start(Rounds(watch).run)
    return watch


@asynccontextmanager
async def assemble(
    settings: Settings, public_url: str, state: Path, worker: Worker | None = None
) -> AsyncGenerator[Gateway]:
    """Open the record and give a gateway without a snapshot; at exit servers and writer have ended, in that order.

    A `worker` joins the writer that its parent runs; without one, the writer is this process's own.
    """
    path = writer_socket(state)
    host, further = origin_host(settings, public_url), writer_flags(settings.audit)
    alone = start_writer(state, host, initialize=True, further=further) if worker is None else None
    worker = worker or Worker()
    async with (
        alone or join_writer(path) as recorder,
        supervision() as supervising,
        open_store(state / "sessions.db") as store,
    ):
        if alone is None:
            supervising.start_soon(recorder.stay, path)
        gateway = Gateway(settings, public_url, supervising, recorder, worker)
        gateway.gate = gate = Gate(state, clock)
        refused = settings.identity.refused_per_minute
        seal = Seal(secret(state / "keys" / "session.key"))
        streams = Streams(Bulkhead(worker.share(settings.gateway.streams_per_caller)), STREAMS)
        gateway.rooms = Rooms(
            clock,
            gateway.holder,
            gateway.authenticator,
            lambda: gateway.upstreams,
            recorder,
            recorder.commitment_key,
            Sessions(seal, store, worker.index),
            Keeper(seal, worker.index),
            SharedBulkhead(settings.gateway.calls_per_caller, worker),
            streams,
            watch_for(gateway, supervising, streams),
            public_url,
            PLATFORM,
            recording_of(settings),
            Flood(worker.share(refused), worker.share(10 * refused)),
            unsent=gate,
        )
        try:
            yield gateway
        finally:
            left = gateway.rooms.flood.drain(clock())
            if left is not None:
                await record_left(gateway.rooms, left)
