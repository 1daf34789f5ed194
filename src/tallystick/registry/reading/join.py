"""Documents to a `Registry`: reads each folder, then checks what refers to what. Collects every problem."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from tallystick.registry.model import Pin, Registry, Server, Tenant, Toolset
from tallystick.registry.parse_pin import parse_pin
from tallystick.registry.parse_server import parse_server
from tallystick.registry.parse_small import NAME, parse_issuer, parse_tenant, parse_toolset
from tallystick.settings import Problem, Section
from tallystick.terms import ServerId, TenantId

_Entry = TypeVar("_Entry")
FOLDERS = ("tenants", "issuers", "servers", "toolsets", "pins")


def parse(documents: Mapping[str, Mapping[str, object]]) -> Registry | tuple[Problem, ...]:
    """Return the registry of `documents` (relative path -> parsed mapping), or every problem found.

    Files belong to the folders tenants/, issuers/, servers/, toolsets/ and pins/, one entry each, named like the entry.
    """
    notices: list[Problem] = []
    problems = [
        Problem.unknown((file, ""), "folder", file.rpartition("/")[0] or ".", FOLDERS)
        for file in documents
        if file.partition("/")[0] not in FOLDERS or file.count("/") != 1
    ]
    tenants = _read(documents, "tenants", parse_tenant, problems)
    pins = _read(documents, "pins", parse_pin, problems)

    def read_server(section: Section) -> Server:
        return parse_server(section, pins.get(section.stem), notices)

    registry = Registry(
        tenants={TenantId(name): tenant for name, tenant in tenants.items()},
        issuers=_read(documents, "issuers", parse_issuer, problems),
        servers={ServerId(name): server for name, server in _read(documents, "servers", read_server, problems).items()},
        toolsets=_read(documents, "toolsets", parse_toolset, problems),
        pins={ServerId(name): pin for name, pin in pins.items()},
        notices=tuple(notices),
    )
    problems.extend(_dangling(registry, documents))
    return tuple(problems) or registry


def _read(
    documents: Mapping[str, Mapping[str, object]],
    folder: str,
    read: Callable[[Section], _Entry],
    problems: list[Problem],
) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for file in sorted(documents):
        if not file.startswith(folder + "/"):
            continue
        section = Section(file, documents[file], problems)
        name, key = section.stem, "server" if folder == "pins" else "name"
        written = section.text(key, name, pattern=NAME)
        if written != name:
            section.fault(key, f'says "{written}" in a file called "{name}"', "give both the same name")
        if name in entries:
            section.fault("", f'a second file describes "{name}"', "keep one of them")
        entries[name] = read(section)
        section.close()
    return entries


def _dangling(registry: Registry, documents: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    paths = {file.rpartition(".")[0]: file for file in documents}
    for tenant in registry.tenants.values():
        yield from _bad_parent(registry, tenant, paths)
    tenanted: list[tuple[str, TenantId | None]] = [
        *((f"issuers/{issuer.name}", issuer.tenant) for issuer in registry.issuers.values()),
        *((f"servers/{server.name}", server.tenant) for server in registry.servers.values()),
        *((f"toolsets/{toolset.name}", toolset.tenant) for toolset in registry.toolsets.values()),
    ]
    for path, name in tenanted:
        if name and name not in registry.tenants:
            yield Problem.unknown((paths[path], "tenant"), "tenant", name, registry.tenants)
    for toolset in registry.toolsets.values():
        yield from _bad_members(registry, toolset, paths[f"toolsets/{toolset.name}"])
    for pin in registry.pins.values():
        yield from _bad_pin(registry, pin, paths)


def _bad_parent(registry: Registry, tenant: Tenant, paths: Mapping[str, str]) -> Iterator[Problem]:
    file, seen, parent = paths[f"tenants/{tenant.name}"], {tenant.name}, tenant.parent
    if parent is not None and parent not in registry.tenants:
        yield Problem.unknown((file, "parent"), "tenant", parent, registry.tenants)
    while parent is not None and parent in registry.tenants:
        if parent in seen:
            yield Problem(file, "parent", f'"{tenant.name}" is its own ancestor', "remove one parent of the ring")
            return
        seen.add(parent)
        parent = registry.tenants[parent].parent


def _bad_members(registry: Registry, toolset: Toolset, file: str) -> Iterator[Problem]:
    for index, member in enumerate(toolset.members):
        field = f"members[{index}]"
        server = registry.servers.get(member.server)
        if server is None:
            yield Problem.unknown((file, f"{field}.server"), "server", member.server, registry.servers)
            continue
        # INVARIANT: a toolset never crosses a tenant border; whoever may enter it may know every server in it.
        if server.tenant != toolset.tenant:
            what = f'server "{server.name}" belongs to tenant "{server.tenant}", the toolset to "{toolset.tenant}"'
            yield Problem(file, f"{field}.server", what, "use servers of the toolset's own tenant")
        for tool in member.tools or ():
            if tool not in server.tools:
                yield Problem.unknown((file, f"{field}.tools"), f"known tool of {server.name}", tool, server.tools)


def _bad_pin(registry: Registry, pin: Pin, paths: Mapping[str, str]) -> Iterator[Problem]:
    if pin.server not in registry.servers:
        yield Problem.unknown((paths[f"pins/{pin.server}"], "server"), "server", pin.server, registry.servers)
