"""A catalog at work: control state in SQLite, the snapshot compiled from it, and calls to it without a network."""

import gzip
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

import httpx2
import jsonschema_rs
import msgspec
from starlette.types import ASGIApp

from tallystick.api.catalog import Action, CatalogRooms, Declined, catalog
from tallystick.control import Control
from tallystick.control.model import Actor, Change, Committed, Key, Mark, Put, Resource, Step
from tallystick.registry import definition
from tallystick.snapshot import Compiler, Snapshot
from tallystick.terms import TenantId
from tests.control.stage import BOB, done, pin, publish

PUBLISHED = Path(__file__).parent / "published"
GATEWAY = "https://gw.bank.example"
NAMESPACE = "example.bank.gw"
OWN, OTHER = TenantId("retail"), TenantId("wealth")
ADA = Actor("ada", operator="ada")
GOOD = b"Bearer good"


class Response(msgspec.Struct):
    """One entry, as far as tests look into it."""

    server: dict[str, object]
    meta: dict[str, dict[str, object]] = msgspec.field(name="_meta")


class Metadata(msgspec.Struct):
    """What stands beside a list."""

    count: int
    nextCursor: str = ""  # noqa: N815 - the API's name


class List(msgspec.Struct):
    """A list's answer."""

    servers: list[Response]
    metadata: Metadata


class World:
    """Control state with what the gateway would serve of it."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.compiler = Compiler()
        self.asked: list[tuple[str, Key]] = []
        self.serves: Snapshot | None = None
        self.app = catalog(self.rooms())

    def rooms(self) -> CatalogRooms:
        """What the catalog is given: whoever says GOOD may publish in the own tenant."""
        return CatalogRooms(
            resources=self.resources,
            snapshot=self.snapshot,
            gateway_url=GATEWAY,
            namespace=NAMESPACE,
            publisher=self.publisher,
            commit=self.commit,
        )

    async def resources(self) -> Mapping[Key, Resource]:
        """What is published."""
        return self.control.all(self.control.published())

    def snapshot(self) -> Snapshot:
        """What the gateway serves: what is published, or what the test says."""
        if self.serves is not None:
            return self.serves
        compiled = self.compiler.compile(self.control.documents(self.control.published()))
        assert isinstance(compiled, Snapshot), compiled
        return compiled

    async def publisher(
        self, authorization: bytes | None, tenant: TenantId, action: Action, key: Key
    ) -> Actor | Declined:
        """Who may publish."""
        self.asked.append((action, key))
        if authorization != GOOD:
            return Declined(401, "Who are you?", {"www-authenticate": "Bearer"})
        return ADA if tenant == OWN else Declined(403, "Not in this tenant")

    async def commit(self, changes: Sequence[Change], actor: Actor, why: str) -> Committed | Declined:
        """Commit and publish."""
        outcome = self.control.commit(changes, actor, why)
        publish(self.control)
        return outcome if isinstance(outcome, Committed) else Declined(409, str(outcome))

    def put(self, *changes: Change) -> None:
        """Bring resources in, and publish them."""
        done(self.control, *changes)
        publish(self.control)

    async def get(self, path: str, method: str = "GET", **heads: str) -> httpx2.Response:
        """Ask the own tenant's catalog, or with two slashes in front any."""
        return await self.send(path, method, b"", heads)

    async def send(self, path: str, method: str, body: bytes, heads: Mapping[str, str]) -> httpx2.Response:
        """Send a request to the own tenant's catalog, or with two slashes in front to any."""
        where = path.removeprefix("/") if path.startswith("//") else f"/retail/v0.1{path}"
        async with reached(self.app) as client:
            return await client.request(method, where, headers=dict(heads), content=body)

    async def names(self, path: str = "/servers?limit=100") -> list[str]:
        """The names in a list."""
        return [str(entry.server["name"]) for entry in listed(await self.get(path))]


@asynccontextmanager
async def reached(app: ASGIApp) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of an application, that follows no redirect, as VS Code's does not."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://console.test", follow_redirects=False
    ) as client:
        yield client


def listed(answer: httpx2.Response) -> list[Response]:
    """The entries of a list's answer."""
    return msgspec.json.decode(answer.content, type=List).servers


@cache
def schema(name: Literal["ServerList", "ServerResponse", "ServerDetail", "Error"]) -> jsonschema_rs.Validator:
    """A schema that the registry published."""
    published: dict[str, dict[str, object]] = json.loads(
        gzip.decompress((PUBLISHED / "server.schema.json.gz").read_bytes())
    )
    answers: dict[str, object] = json.loads((PUBLISHED / "responses.schema.json").read_text())
    whole = {**published, "definitions": {**published["definitions"], **answers}, "$ref": f"#/definitions/{name}"}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


REVIEWABLE: dict[str, object] = {
    "title": "Quotes",
    "transport": {"http": {"url": "https://quotes.example/mcp"}},
    "owner": {"person": "ada", "team": "Market Risk", "legal_entity": "Bank AG"},
    "purpose": "Quotes for the desks",
    "provider": {"name": "Risk Systems", "contract": {"sla": "99.9", "exit": "90 days", "sub_processors": ["x"]}},
    "classification": "confidential",
    "jurisdictions": ["DE", "UK"],
    "regions": ["eu-central"],
    "approved_clients": ["vscode"],
    "environments": ["production"],
    "security_review": {"date": "2026-01-10", "next": "2027-01-10"},
    "support": {"contact": "risk-desk@bank.example", "url": "https://wiki.internal", "hours": "8 to 18"},
    "tools": {
        "limit": {
            "operation": "read",
            "risk": "low",
            "reversibility": "R0",
            "data_scope": "limits",
            "purpose": "reads a limit",
            "sources": ["limits"],
            "sinks": ["desk"],
            "labels": ["risk"],
        }
    },
}
"""A server of which everything is said."""


def tools(*names: str, operation: str = "read", risk: str = "low") -> dict[str, object]:
    """Tools of a server's spec, classified."""
    return {name: {"operation": operation, "risk": risk} for name in names}


def approve(world: World, name: str, spec: Mapping[str, object]) -> None:
    """Bring in a server that nobody's directory owns, and have it approved by somebody else, with a condition."""
    key, pinned = Key("Server", name), Key("Pin", name)
    said = pin(name, "limit").spec
    digest = str(definition.of_document({"server": name, **said}).digest)
    seen = {"observed": {"digest": digest, "at": "2026-03-01T00:00:00Z", "spec": dict(said)}}
    world.put(Put("Server", name, OWN, spec, {"desk": "rates"}), Put("Pin", name, OWN, said), Mark(pinned, seen))
    world.put(Step(key, "in_review"))
    approval = Step(key, "approved", "looked at", ("reads only",), "2027-06-01T00:00:00Z", digest)
    done(world.control, approval, actor=BOB)
    publish(world.control)


def suspend(name: str) -> Step:
    """The step that suspends a server."""
    return Step(Key("Server", name), "suspended", comment="an incident")


def quarantine(name: str, tool: str) -> Mark:
    """What drift says of a server's tool (or `*`)."""
    held = {"since": "2026-03-01T00:00:00Z", "digest": "sha256:" + "0" * 64, "why": "it changed"}
    return Mark(Key("Pin", name), {"quarantined": {tool: held}})


def of_other_tenant(put: Put) -> Put:
    """The same resource in another tenant."""
    return replace(put, tenant=OTHER)
