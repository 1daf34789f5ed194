"""Sessions of the eras that have them. The id is a sealed value that any replica opens; what changes is in a store.

A session id never authenticates: it must be opened by the same caller on the same route (advisories
GHSA-mvgg-jvj2-4frq, GHSA-hqg7-qjgg-q779).
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

import anyio
import msgspec

from tallystick.gateway.sealing.seal import Seal, about
from tallystick.gateway.sealing.store import Kept, Store
from tallystick.gateway.upstream.model import UNKNOWN_CLIENT, Client
from tallystick.terms import Caller

LIFETIME_S: Final = 24 * 3600.0
"""Seconds until a session must be opened anew."""

OPEN_KEPT: Final = 10_000
"""Opened ids remembered, so that the cipher runs once per session and not once per request."""

SELF_DESCRIPTION: Final = 2048
"""Bytes of a client's capabilities and name that a session id may carry: an id travels in a header."""

RESOURCES: Final = 1_000
"""Resources that one session may subscribe to."""


class Session(NamedTuple):
    """One open session. `binding` names the caller it belongs to, `worker` the process that holds its streams."""

    key: str
    route: str
    binding: str
    version: str
    opened: float
    worker: int
    capabilities: dict[str, object]
    implementation: dict[str, object] | None

    @property
    def conversation(self) -> str:
        """What a server's side of it is kept under: the principal's name first, so that each has a share of its own."""
        return f"{self.binding}.{self.key}"

    @property
    def until(self) -> float:
        """When it ends by age, in seconds since the epoch."""
        return self.opened + LIFETIME_S


_decode: Final = msgspec.json.Decoder(Session).decode


class Sessions:
    """The sessions that this process has met."""

    def __init__(self, seal: Seal, store: Store, worker: int = 0) -> None:
        """Open ids with `seal`, and look up in `store` what has changed since an id was given out."""
        self._seal = seal
        self._store = store
        self._worker = worker
        self._opened: OrderedDict[str, tuple[Session, Kept]] = OrderedDict()
        self._writing = anyio.CapacityLimiter(1)

    def begin(self, route: str, caller: Caller, version: str, client: Client, now: float) -> str:
        """Return the id of a new session."""
        capabilities, implementation = _short(client)
        session = Session(
            os.urandom(12).hex(), route, binding_of(caller), version, now, self._worker, capabilities, implementation
        )
        return self._seal.close("session", msgspec.json.encode(session))

    def open(self, session_id: str, now: float) -> Session | None:
        """Return the session behind an id, or None when it is no id of ours, too old, or ended."""
        found = self._find(session_id)
        if found is None:
            return None
        session, kept = found
        if session.worker != self._worker:
            # Its own process may have changed it since; this one stands in while that one is away.
            kept = self._store.get(session.key)
            self._opened[session_id] = session, kept
        return None if kept.ended or now > session.until else session

    def worker_of(self, session_id: str) -> int | None:
        """Return the index of the process that holds a session, whoever it belongs to."""
        found = self._find(session_id)
        return None if found is None else found[0].worker

    def client_of(self, session_id: str) -> Client:
        """Return what the client of an open session said of itself."""
        found = self._find(session_id)
        return (
            UNKNOWN_CLIENT
            if found is None
            else Client(found[0].capabilities, found[0].implementation, found[1].log_level)
        )

    def resources_of(self, session_id: str) -> tuple[str, ...]:
        """Return the resources that an open session is subscribed to."""
        found = self._find(session_id)
        return () if found is None else found[1].resources

    async def end(self, session_id: str) -> None:
        """End a session, durably."""
        await self._change(session_id, lambda kept: Kept(ended=True, log_level=kept.log_level))

    async def set_level(self, session_id: str, level: str) -> None:
        """Keep the log level that a client set."""
        await self._change(session_id, lambda kept: kept._replace(log_level=level))

    async def subscribe(self, session_id: str, uri: str, *, on: bool) -> None:
        """Keep that a client is subscribed to a resource, or is no longer."""

        def changed(kept: Kept) -> Kept:
            others = tuple(known for known in kept.resources if known != uri)
            return kept._replace(resources=(*others, uri)[-RESOURCES:] if on else others)

        await self._change(session_id, changed)

    async def _change(self, session_id: str, change: Callable[[Kept], Kept]) -> None:
        found = self._find(session_id)
        if found is None:
            return
        session, kept = found[0], change(found[1])
        self._opened[session_id] = session, kept
        await anyio.to_thread.run_sync(self._store.put, session.key, kept, session.until, limiter=self._writing)

    def _find(self, session_id: str) -> tuple[Session, Kept] | None:
        found = self._opened.get(session_id)
        if found is None:
            return self._read(session_id)
        self._opened.move_to_end(session_id)
        return found

    def _read(self, session_id: str) -> tuple[Session, Kept] | None:
        plain = self._seal.open("session", session_id)
        if plain is None:
            return None
        try:
            session = _decode(plain)
        except msgspec.ValidationError:
            return None  # given out by another release, which held something else
        found = session, self._store.get(session.key)
        self._opened[session_id] = found
        if len(self._opened) > OPEN_KEPT:
            self._opened.popitem(last=False)
        return found


def binding_of(caller: Caller) -> str:
    """Return what ties a value to its caller: the whole identity, but not rights: a new token may change those."""
    return about(caller.issuer, caller.tenant, caller.subject, caller.client, *caller.actors)


def _short(client: Client) -> tuple[dict[str, object], dict[str, object] | None]:
    """Return a client's self-description as far as an id can carry it: whole, without its name, or in names only."""
    about = None if client.implementation is None else dict(client.implementation)
    for capabilities, named in ((dict(client.capabilities), about), (dict(client.capabilities), None)):
        if len(msgspec.json.encode((capabilities, named))) <= SELF_DESCRIPTION:
            return capabilities, named
    return {name: {} for name in sorted(client.capabilities) if name in _KNOWN}, None


_KNOWN: Final = frozenset({"elicitation", "roots", "sampling"})
