"""A real console: control database, compiler, relay, two listeners (TCP with tokens, unix socket), real tokens."""

import json
import socket
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from time import time  # noqa: TID251 - the tests' own clock

import anyio
import urllib3
import uvicorn
from anyio import to_thread
from starlette.types import ASGIApp

from tallystick.api import ConsoleRooms, application
from tallystick.audit import Unwritable
from tallystick.audit.leaf.call import call_id
from tallystick.control import Control, Relay, Sqlite, model, open_control
from tallystick.guard import Flood
from tallystick.identity import Authenticator, TrustedIssuer
from tallystick.remote import Client, Place, messages
from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Document, Snapshot
from tallystick.terms import TenantId
from tests.identity.remote_issuer import RemoteIssuer

URL = "https://console.example"
GATEWAY = "https://gateway.example"
PLATFORM = TenantId("platform")
ROLES = ("owner", "admin", "operator", "reviewer", "developer", "auditor")
SCHEMA = {"type": "object", "properties": {"amount": {"type": "integer"}}, "additionalProperties": False}
LAB = model.Actor("operator:lab", "operator:lab")


class Record:
    """The leaves that a console wrote, in memory; `is_away` makes it unwritable."""

    def __init__(self) -> None:
        self.leaves: list[tuple[str, dict[str, object]]] = []
        self.is_away = False

    async def append(self, tenant: TenantId, leaf: bytes) -> int:
        """Keep a leaf."""
        if self.is_away:
            message = "the record is away"
            raise Unwritable(message)
        self.leaves.append((tenant, json.loads(leaf)))
        return len(self.leaves)

    async def find(self, tenant: TenantId, ids: Sequence[str]) -> frozenset[str]:
        """Return those of the ids that are here."""
        return frozenset(ids) & {str(leaf.get("id")) for owner, leaf in self.leaves if owner == tenant}

    def of(self, kind: str) -> list[dict[str, object]]:
        """Return the leaves of a kind, oldest first."""
        return [leaf for _, leaf in self.leaves if leaf["kind"] == kind]


class Stage:
    """A console at work on two listeners."""

    def __init__(self, folder: Path, control: Control) -> None:
        self.control = control
        self.record = Record()
        self.issuer = RemoteIssuer()
        self.other = RemoteIssuer("https://other.example")
        self.socket = folder / "console.sock"
        self.port = 0
        self.compiler = Compiler()
        self._snapshot: tuple[int, Snapshot | None] = (-1, None)
        self._lock = threading.Lock()
        self._pool = urllib3.PoolManager(timeout=30)

    def snapshot(self) -> Snapshot | None:
        """Return the state in force."""
        published = self.control.published()
        with self._lock:
            if self._snapshot[0] != published:
                compiled = self.compiler.compile(self.control.documents(published))
                assert isinstance(compiled, Snapshot), compiled
                self._snapshot = (published, compiled)
            return self._snapshot[1]

    def authenticator(self) -> Authenticator:
        """Return what verifies tokens of the bank's and the fund's issuers."""
        return self._authenticator

    def rooms(self, operator: str = "") -> ConsoleRooms:
        """Return what the console of one listener works with."""
        return ConsoleRooms(
            control=self.control,
            authenticator=self.authenticator,
            snapshot=self.snapshot,
            append=self.record.append,
            recording=lambda: not self.record.is_away,
            clock=time,
            new_id=new_id,
            platform=PLATFORM,
            audiences=frozenset({URL}),
            hosts=frozenset() if operator else frozenset({"console.example", f"127.0.0.1:{self.port}"}),
            public_url=URL,
            version="test",
            gateway_url=GATEWAY,
            operator=operator,
            publish_s=5.0,
            flood=Flood(10_000, 100_000),
        )

    async def run(self, started: Callable[[], None], stop: threading.Event) -> None:
        """Serve until told to stop."""

        async def fetch(url: str) -> bytes:
            issuer = self.issuer if url.startswith(self.issuer.issuer) else self.other
            return issuer.documents[url]

        issuers = [
            TrustedIssuer(self.issuer.issuer, tenant_claim="tid"),
            TrustedIssuer(self.other.issuer, tenant=TenantId("fund")),
        ]
        tenants = frozenset({TenantId("bank"), TenantId("fund"), TenantId("group"), PLATFORM})
        self._authenticator = Authenticator(issuers, tenants, fetch, time)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Relay(self.control, self.record.append, self.record.find).run)
            with _listener() as listener, _local(self.socket) as local:
                self.port = listener.getsockname()[1]
                async with anyio.create_task_group() as serving:
                    servers = [_server(application(self.rooms())), _server(application(self.rooms("lab")))]
                    for server, place in zip(servers, (listener, local), strict=True):
                        serving.start_soon(server.serve, [place])
                    started()
                    await to_thread.run_sync(stop.wait)
                    for server in servers:
                        server.should_exit = server.force_exit = True
            tasks.cancel_scope.cancel()

    def token(self, subject: str = "ada", tenant: str = "bank", **claims: object) -> str:
        """Return a token for the console."""
        good: dict[str, object] = {
            "aud": URL,
            "sub": subject,
            "tid": tenant,
            "iat": time() - 5,
            "exp": time() + 3600,
            "groups": [],
        }
        return self.issuer.token_of({**good, **claims})

    def client(self, subject: str = "", tenant: str = "bank", **claims: object) -> Client:
        """Return the client of somebody who signed in; of the operator for nobody."""
        if not subject:
            return Client(Place(socket=self.socket))
        token = self.token(subject, tenant, **claims)
        return Client(Place(f"http://127.0.0.1:{self.port}"), lambda: token)

    def send(
        self, method: str, path: str, token: str | None = None, body: bytes | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        """Send one request as it is; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            named["authorization"] = f"Bearer {token}"
        url = f"http://127.0.0.1:{self.port}{path}"
        return self._pool.request(method, url, body=body, headers=named, redirect=False, retries=False)

    def put(self, kind: messages.resources.Kind, name: str, tenant: str, spec: dict[str, object]) -> None:
        """Put a resource as the operator."""
        metadata = messages.resources.Metadata(name=name, tenant=tenant)
        self.client().put(messages.resources.Resource(kind, metadata, spec))

    def approved(self, name: str, tenant: str) -> None:
        """Have an approved server with one pinned tool, as the configuration directory would."""
        tool: dict[str, object] = {"name": "pay", "description": "Pays.", "inputSchema": SCHEMA}
        spec = {
            "title": name.title(),
            "transport": {"http": {"url": "https://8.8.8.8/mcp"}},
            "tools": {"pay": {"operation": "write", "risk": "high", "labels": ["payments"]}},
        }
        pin: dict[str, object] = {"pinned_at": "2026-01-01T00:00:00Z", "eras": {}, "tools": [tool]}
        where = TenantId(tenant)
        done = self.control.commit(
            [
                model.Put("Server", name, where, spec, owner=model.DIRECTORY, state="approved"),
                model.Put("Pin", name, where, pin, owner=model.DIRECTORY),
            ],
            LAB,
        )
        assert isinstance(done, model.Committed), done
        assert self.control.wait(done.revision - 1, 10) >= done.revision


def new_id() -> str:
    """Return a fresh ULID."""
    return call_id(time(), token_bytes(10))


@contextmanager
def console(folder: Path) -> Generator[Stage]:
    """Run a console with the tenants group > bank, fund and platform, and everybody's roles."""
    compiler = Compiler()

    def judge(documents: Mapping[str, Document]) -> tuple[Problem, ...]:
        compiled = compiler.compile(documents)
        return () if isinstance(compiled, Snapshot) else compiled

    with open_control(Sqlite(folder / "control.db"), b"k" * 32, time, new_id, judge) as control:
        stage = Stage(folder, control)
        ready, stop = threading.Event(), threading.Event()
        thread = threading.Thread(target=lambda: anyio.run(stage.run, ready.set, stop), daemon=True)
        thread.start()
        assert ready.wait(20)
        try:
            _furnish(stage)
            yield stage
        finally:
            stop.set()
            thread.join(20)


def _furnish(stage: Stage) -> None:
    for name, spec in {
        "platform": {"title": "Platform", "jurisdiction": "GB"},
        "group": {"title": "Group", "jurisdiction": "GB"},
        "bank": {"title": "Bank", "jurisdiction": "GB", "parent": "group"},
        "fund": {"title": "Fund", "jurisdiction": "LU"},
    }.items():
        stage.put("Tenant", name, name, dict(spec))
    stage.put("Issuer", "id", "", {"issuer": stage.issuer.issuer, "tenant_claim": "tid"})
    stage.put("Issuer", "other", "fund", {"issuer": stage.other.issuer})
    for tenant in ("bank", "fund"):
        for role in ROLES:
            stage.put("Role", f"{tenant}-{role}", tenant, {"role": role, "people": [f"{role}-of-{tenant}"]})


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(app, lifespan="off", log_level="warning", ws="none", timeout_graceful_shutdown=1)
    return uvicorn.Server(config)


def _listener() -> socket.socket:
    # It listens before anybody is told of it, so that whoever connects early only waits.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    # As the console's own listener: else the second half of an answer waits 40 ms for the first one's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.listen(128)
    return listener


def _local(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(128)
    return listener
