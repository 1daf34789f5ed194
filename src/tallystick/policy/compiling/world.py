"""Everything that policies can speak about, in the forms that compiling and deciding look it up by."""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TypeVar

from tallystick.policy.argument_types import Record, arguments_kind, text_of
from tallystick.policy.model import OPERATIONS, Facts, ToolFacts, Uid, tool_action
from tallystick.policy.schema import (
    METHOD_ACTIONS,
    METHOD_ARGUMENTS,
    NO_ARGUMENTS,
    action_entities,
    entity,
    tool_entity,
)
from tallystick.terms import ServerId, TenantId

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A tool with what follows from it alone. Tools of equal `shape` are the same to the validator but for the name."""

    facts: ToolFacts
    name: str
    kind: Record
    shape: str
    digest: str

    @classmethod
    def of(cls, facts: ToolFacts) -> "Known":
        """Study a tool."""
        kind = arguments_kind(facts.input_schema)
        shape = f"{facts.operation} {text_of(kind)}"
        material = repr((shape, facts.tenant, facts.server, facts.tool, facts.risk, facts.labels))
        digest = sha256(material.encode(errors="surrogatepass")).hexdigest()
        return cls(facts, tool_action(facts.server, facts.tool), kind, shape, digest)


@dataclass(frozen=True, slots=True)
class Target:
    """One action on one resource, whose it is, and the entities that a question about it needs."""

    action: Uid
    resource: Uid
    tenant: TenantId
    arguments: Record
    groups: tuple[str, ...]
    above: tuple[Uid, ...]
    """The resource and everything it is in."""
    entities: tuple[Mapping[str, object], ...]


class World:
    """The facts of one configuration. Nothing in it changes."""

    def __init__(self, facts: Facts, tools: tuple[Known, ...]) -> None:
        """Hold `facts`, whose tools were studied as `tools`, in the same order."""
        self.facts = facts
        self.tools = {tool.name: tool for tool in tools}
        self.servers = {server.server: server.tenant for server in facts.servers}
        self.toolsets = {toolset.toolset: toolset.tenant for toolset in facts.toolsets}
        self.parents = {tenant.tenant: tenant.parent for tenant in facts.tenants}

    @cached_property
    def ids(self) -> Mapping[str, frozenset[str]]:
        """Entity type -> ids that exist, for the types whose entities are all known."""
        tools = frozenset(self.tools)
        return {
            "Tenant": frozenset(self.parents),
            "Server": frozenset(self.servers),
            "Toolset": frozenset(self.toolsets),
            "Tool": tools,
            "Action": tools | {*METHOD_ACTIONS, *OPERATIONS, "call", "use", "connect"},
        }

    @cached_property
    def shapes(self) -> Mapping[str, tuple[Known, ...]]:
        """Shape -> the tools that have it."""
        return _grouped(self.tools.values(), lambda tool: tool.shape)

    @cached_property
    def digest(self) -> str:
        """Digest (hex) of everything that policies can see."""
        tenants = sorted((tenant, parent or "") for tenant, parent in self.parents.items())
        material = json.dumps([tenants, sorted(self.servers.items()), sorted(self.toolsets.items())])
        tools = "".join(tool.digest for tool in self.tools.values())
        return sha256(f"{material}{tools}".encode(errors="surrogatepass")).hexdigest()

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every label that some tool wears, sorted."""
        return tuple(sorted({label for tool in self.facts.tools for label in tool.labels}))

    @cached_property
    def of_server(self) -> Mapping[ServerId, tuple[Known, ...]]:
        """Server -> its tools."""
        return _grouped(self.tools.values(), lambda tool: tool.facts.server)

    @cached_property
    def classes(self) -> tuple[tuple[Known, ...], ...]:
        """The tools by everything but their names and servers that policies can ask of them."""
        facts = _grouped(
            self.tools.values(),
            lambda tool: (tool.facts.operation, tool.facts.risk, tool.facts.labels, tool.facts.tenant),
        )
        return tuple(facts.values())

    def line(self, tenant: TenantId) -> tuple[TenantId, ...]:
        """Return a tenant and its ancestors."""
        line: list[TenantId] = []
        here: TenantId | None = tenant
        while here is not None and here not in line:
            line.append(here)
            here = self.parents.get(here)
        return tuple(line)

    def chain(self, tenant: TenantId) -> tuple[Mapping[str, object], ...]:
        """Return the entities of a tenant and its ancestors."""
        above = ((name, self.parents.get(name)) for name in self.line(tenant))
        return tuple(entity(Uid("Tenant", name), [Uid("Tenant", up)] if up else []) for name, up in above)

    def tool(self, tool: Known) -> Target:
        """Return the target of calling a tool."""
        facts = tool.facts
        chain = self.chain(facts.tenant)
        owner = Uid("Server", facts.server)
        return Target(
            action=Uid("Action", tool.name),
            resource=Uid("Tool", tool.name),
            tenant=facts.tenant,
            arguments=tool.kind,
            groups=(tool.name, facts.operation, "call"),
            above=(Uid("Tool", tool.name), owner, *self._tenants(facts.tenant)),
            entities=(
                *action_entities(tool.name, facts.operation),
                tool_entity(facts),
                entity(owner, [Uid("Tenant", facts.tenant)]),
                *chain,
            ),
        )

    def method(self, action: str, server: ServerId) -> Target:
        """Return the target of an action that is no tool's at a server; raises KeyError for an unknown one."""
        tenant = self.servers[server]
        arguments = NO_ARGUMENTS if action == "connect" else METHOD_ARGUMENTS
        return self._owned(action, Uid("Server", server), tenant, arguments)

    def toolset(self, toolset: str) -> Target:
        """Return the target of entering a toolset; raises KeyError for an unknown one."""
        return self._owned("connect", Uid("Toolset", toolset), self.toolsets[toolset], NO_ARGUMENTS)

    def _owned(self, action: str, resource: Uid, tenant: TenantId, arguments: Record) -> Target:
        chain = self.chain(tenant)
        groups = (action, "use") if action.startswith("mcp/") else (action,)
        own = entity(resource, [Uid("Tenant", tenant)])
        entities = (*action_entities(action, None), own, *chain)
        return Target(
            Uid("Action", action), resource, tenant, arguments, groups, (resource, *self._tenants(tenant)), entities
        )

    def _tenants(self, tenant: TenantId) -> Iterator[Uid]:
        return (Uid("Tenant", name) for name in self.line(tenant))


def _grouped(tools: Iterable[Known], key: Callable[[Known], _Key]) -> Mapping[_Key, tuple[Known, ...]]:
    found: dict[_Key, list[Known]] = {}
    for tool in tools:
        found.setdefault(key(tool), []).append(tool)
    return {name: tuple(members) for name, members in found.items()}
