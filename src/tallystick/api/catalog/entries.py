"""Which servers and toolsets a catalog shows, and each as the registry's API tells it (server.json, 2025-12-11).

# INVARIANT: an entry is there only while its server is approved in what is published AND has a route in what is served
AND is not quarantined as a whole. A toolset with an audience is shown to nobody: who is outside must not learn of it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tallystick.api.catalog.address import Address, Query, write_cursor
from tallystick.api.catalog.govern import govern_server, govern_toolset, members
from tallystick.api.catalog.rooms import CatalogRooms
from tallystick.control import model
from tallystick.registry import Server, Tool, Toolset
from tallystick.snapshot import Snapshot
from tallystick.terms import ServerId, ToolId

SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
OFFICIAL: Final = "io.modelcontextprotocol.registry/official"
OURS: Final = "dev.tallystick/governance"
PROVIDED: Final = "io.modelcontextprotocol.registry/publisher-provided"
_LONGEST: Final = 100
"""Letters of a title and of a description, by the schema."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to be found: a server, or a toolset of which everybody of the tenant may know."""

    name: str
    version: str
    title: str
    description: str
    published: str
    updated: str
    resource: model.Resource
    what: Server | Toolset


class Catalog:
    """What one tenant (and maybe one of its teams) is shown, from one state and one snapshot."""

    __slots__ = ("_resources", "_rooms", "_snapshot", "address")

    def __init__(
        self, rooms: CatalogRooms, snapshot: Snapshot, resources: Mapping[model.Key, model.Resource], address: Address
    ) -> None:
        self._rooms = rooms
        self._snapshot = snapshot
        self._resources = resources
        self.address = address

    @property
    def exists(self) -> bool:
        """Tell whether there is such a tenant."""
        return model.Key("Tenant", self.address.tenant) in self._resources

    def page(self, query: Query) -> dict[str, object]:
        """Return one page, as the API tells a list."""
        found = [entry for entry in sorted(self._entries(), key=lambda each: each.name) if _matches(entry, query)]
        shown = found[: query.limit]
        metadata: dict[str, object] = {"count": len(shown)}
        if len(found) > len(shown):
            metadata["nextCursor"] = write_cursor(shown[-1].name)
        return {"servers": [self.tell(entry) for entry in shown], "metadata": metadata}

    def one(self, name: str, version: str = "latest") -> Entry | None:
        """Return an entry by its whole name, of a version; None: there is none to be shown."""
        found = next((entry for entry in self._entries() if entry.name == name), None)
        return found if found is not None and version in {"latest", found.version} else None

    def tell(self, entry: Entry) -> dict[str, object]:
        """Return an entry as the API tells a server: server.json, and beside it what the registry says of it."""
        kind = "servers" if isinstance(entry.what, Server) else "toolsets"
        url = f"{self._rooms.gateway_url}/{kind}/{entry.what.name}/mcp"
        governance = (
            govern_server(entry.what, entry.resource, url, self._is_free)
            if isinstance(entry.what, Server)
            else govern_toolset(entry.what.name, self._offered(entry.what.name), url)
        )
        server = {
            "$schema": SCHEMA,
            "name": entry.name,
            "title": entry.title,
            "description": entry.description,
            "version": entry.version,
            "remotes": [{"type": "streamable-http", "url": url}],
        }
        official = {
            "status": "active",
            "publishedAt": entry.published,
            "updatedAt": entry.updated,
            "isLatest": True,
        }
        return {"server": server, "_meta": {OFFICIAL: official, OURS: governance}}

    def _entries(self) -> Iterator[Entry]:
        for key, resource in self._resources.items():
            if resource.tenant != self.address.tenant or resource.state != "approved":
                continue
            if key.kind == "Server":
                yield from self._server(resource)
            elif key.kind == "Toolset":
                yield from self._toolset(resource)

    def _server(self, resource: model.Resource) -> Iterator[Entry]:
        server = self._snapshot.registry.servers.get(ServerId(resource.name))
        if server is None or not self._is_served(server):
            return
        if self.address.team is not None and slug(server.about.owner.team) != self.address.team:
            return
        pin = self._resources.get(model.Key("Pin", resource.name))
        yield Entry(
            name=f"{self._rooms.namespace}/{server.name}",
            version=f"{resource.version}.{pin.version if pin else 0}.0",
            title=_line(server.title) or str(server.name),
            description=_line(server.about.purpose) or _line(f"{server.title}, through the gateway"),
            published=_since(resource),
            updated=max(resource.changed, pin.changed if pin else ""),
            resource=resource,
            what=server,
        )

    def _toolset(self, resource: model.Resource) -> Iterator[Entry]:
        toolset = self._snapshot.registry.toolsets.get(resource.name)
        key = f"toolsets/{resource.name}"
        # A team's catalog is of the servers that the team owns; a toolset has no team.
        if toolset is None or self.address.team is not None or toolset.tenant != self.address.tenant:
            return
        if toolset.audience is not None or key not in self._snapshot.routes:
            return
        servers = {str(server) for _, server, _ in self._offered(resource.name)}
        if not servers:
            return
        parts = [self._resources.get(model.Key("Server", name)) for name in servers]
        known = [part for part in parts if part is not None]
        yield Entry(
            name=f"{self._rooms.namespace}.toolsets/{toolset.name}",
            version=f"{resource.version}.{sum(part.version for part in known)}.0",
            title=_line(toolset.title) or toolset.name,
            description=_line(f"{toolset.title or toolset.name}: tools of several servers, through the gateway"),
            published=resource.created,
            updated=max([resource.changed, *(part.changed for part in known)]),
            resource=resource,
            what=toolset,
        )

    def _offered(self, toolset: str) -> Iterator[tuple[str, ServerId, Tool]]:
        """Yield the tools of a toolset that may be shown: published name, server, tool."""
        for tool in self._snapshot.publications[f"toolsets/{toolset}"].tools:
            server = self._snapshot.registry.servers.get(tool.server)
            is_known = server is not None and tool.tool in server.tools and self._is_served(server)
            if server is not None and is_known and self._is_free(tool.server, tool.tool):
                yield tool.name, tool.server, server.tools[tool.tool]

    def _is_served(self, server: Server) -> bool:
        is_approved = server.state == "approved" and server.tenant == self.address.tenant
        return is_approved and f"servers/{server.name}" in self._snapshot.routes and self._is_free(server.name, None)

    def _is_free(self, server: ServerId, tool: ToolId | None) -> bool:
        """Tell whether a tool (None: a whole server) may be shown: approved, and not quarantined by anybody's word."""
        resource = self._resources.get(model.Key("Server", server))
        if resource is None or resource.state != "approved":
            return False
        pin = self._snapshot.registry.pins.get(server)
        marked = self._resources.get(model.Key("Pin", server))
        status = members(marked.status.get("quarantined")) if marked else {}
        held = {*(pin.quarantined if pin else ()), *status}
        return "*" not in held and tool not in held and not self._rooms.held(server, tool)


def slug(text: str) -> str:
    """Return a team as it stands in a path: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63]


def _line(text: str) -> str:
    """Return a text in one line, without letters that cannot be seen, and no longer than the schema allows."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3].rstrip() + "..."


def _since(resource: model.Resource) -> str:
    at = members(resource.status.get("review")).get("at")
    return at if isinstance(at, str) else resource.created


def _matches(entry: Entry, query: Query) -> bool:
    if entry.name <= query.after or (query.version and query.version not in {"latest", entry.version}):
        return False
    if query.since is not None and datetime.fromisoformat(entry.updated) < query.since:
        return False
    return not query.search or any(
        query.search in text.casefold() for text in (entry.name, entry.title, entry.description)
    )
