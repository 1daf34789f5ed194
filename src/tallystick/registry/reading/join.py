"""What was read to a `Registry`: checks what refers to what. Collects every problem."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from tallystick.registry.model import (
    Agent,
    Grant,
    IssuerEntry,
    Pin,
    Registry,
    Role,
    Server,
    Tenant,
    Toolset,
    Webhook,
)
from tallystick.registry.reading.read import Read, read
from tallystick.settings import Problem
from tallystick.terms import ServerId, TenantId

_Entry = TypeVar("_Entry")


class Parser:
    """Parses again and again, and reads only what has changed: an entry of an unchanged document stays the same object.

    Not for two threads at once.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        """Start with nothing read."""
        self._kept: dict[str, tuple[tuple[str, str], Read]] = {}

    def parse(
        self, documents: Mapping[str, Mapping[str, object]], digests: Mapping[str, str]
    ) -> Registry | tuple[Problem, ...]:
        """Return the registry of `documents` (relative path -> parsed mapping), or every problem found.

        `digests` tells by path whether a document is the one of before. A server is read again with its pin. Each file
        belongs to a folder of its kind, one entry each, named like the entry.
        """
        kept: dict[str, tuple[tuple[str, str], Read]] = {}
        pins: dict[str, str] = {}
        for file in sorted(documents, key=lambda file: (file.startswith("servers/"), file)):
            pinned = pins.get(_name(file), "") if file.startswith("servers/") else ""
            mark = digests[file], digests.get(pinned, "")
            known = self._kept.get(file)
            if known is None or known[0] != mark:
                pin = kept[pinned][1].entry if pinned else None
                known = mark, read(file, documents[file], pin if isinstance(pin, Pin) else None)
            kept[file] = known
            if isinstance(known[1].entry, Pin):
                pins[_name(file)] = file
        self._kept = kept
        return join(one for _, one in kept.values())


def parse(documents: Mapping[str, Mapping[str, object]]) -> Registry | tuple[Problem, ...]:
    """Return the registry of `documents` (relative path -> parsed mapping), or every problem found, once."""
    return Parser().parse(documents, dict.fromkeys(documents, ""))


def join(reads: Iterable[Read]) -> Registry | tuple[Problem, ...]:
    """Return the registry of everything that was read, or the problems of all documents and of their references."""
    found = sorted(reads, key=lambda one: one.file)
    problems = [problem for one in found for problem in one.problems]
    problems.extend(_twice(found))
    registry = Registry(
        tenants={TenantId(name): tenant for name, tenant in _of(found, Tenant).items()},
        issuers=_of(found, IssuerEntry),
        servers={ServerId(name): server for name, server in _of(found, Server).items()},
        toolsets=_of(found, Toolset),
        pins={ServerId(name): pin for name, pin in _of(found, Pin).items()},
        notices=tuple(notice for one in found for notice in one.notices),
        grants=_of(found, Grant),
        agents=_of(found, Agent),
        roles=_of(found, Role),
        webhooks=_of(found, Webhook),
    )
    problems.extend(_dangling(registry, {one.file.rpartition(".")[0]: one.file for one in found}))
    return tuple(problems) or registry


def _name(file: str) -> str:
    return file.rpartition("/")[2].rpartition(".")[0]


def _of(found: Iterable[Read], kind: type[_Entry]) -> dict[str, _Entry]:
    return {_name(one.file): one.entry for one in found if isinstance(one.entry, kind)}


def _twice(found: Iterable[Read]) -> Iterator[Problem]:
    seen: set[str] = set()
    for one in found:
        place = one.file.rpartition(".")[0]
        if place in seen and one.entry is not None:
            yield Problem(one.file, "", f'a second file describes "{_name(one.file)}"', "keep one of them")
        seen.add(place)


def _dangling(registry: Registry, files: Mapping[str, str]) -> Iterator[Problem]:
    for tenant in registry.tenants.values():
        yield from _bad_parent(registry, tenant, files)
    for place, name in _tenanted(registry):
        if name and name not in registry.tenants:
            yield Problem.unknown((files[place], "tenant"), "tenant", name, registry.tenants)
    for pin in registry.pins.values():
        if pin.server not in registry.servers:
            yield Problem.unknown((files[f"pins/{pin.server}"], "server"), "server", pin.server, registry.servers)


def _tenanted(registry: Registry) -> Iterator[tuple[str, TenantId | None]]:
    folders = {
        "issuers": registry.issuers,
        "servers": registry.servers,
        "toolsets": registry.toolsets,
        "grants": registry.grants,
        "agents": registry.agents,
        "roles": registry.roles,
        "webhooks": registry.webhooks,
    }
    for folder, entries in folders.items():
        for name, entry in entries.items():
            yield f"{folder}/{name}", entry.tenant


def _bad_parent(registry: Registry, tenant: Tenant, files: Mapping[str, str]) -> Iterator[Problem]:
    file, seen, parent = files[f"tenants/{tenant.name}"], {tenant.name}, tenant.parent
    if parent is not None and parent not in registry.tenants:
        yield Problem.unknown((file, "parent"), "tenant", parent, registry.tenants)
    while parent is not None and parent in registry.tenants:
        if parent in seen:
            yield Problem(file, "parent", f'"{tenant.name}" is its own ancestor', "remove one parent of the ring")
            return
        seen.add(parent)
        parent = registry.tenants[parent].parent
