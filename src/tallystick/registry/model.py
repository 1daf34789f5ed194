"""The nouns of the registry, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tallystick.settings import Problem
from tallystick.terms import Digest, ServerId, TenantId, ToolId

Operation = Literal["read", "write", "delete", "execute"]
"""What a tool does to the system behind it, decided by its owner, never by the server's annotations."""
Risk = Literal["low", "medium", "high", "critical"]

OPERATIONS: tuple[Operation, ...] = ("read", "write", "delete", "execute")
RISKS: tuple[Risk, ...] = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A legal entity or business unit; `parent` makes a tree."""

    name: TenantId
    title: str
    jurisdiction: str
    parent: TenantId | None


@dataclass(frozen=True, slots=True)
class IssuerEntry:
    """A trusted token issuer. Exactly one of `tenant` and `tenant_claim` is set; empty texts mean "not configured".

    `allow_special_addresses` permits its documents on loopback and private addresses (off by default).
    """

    name: str
    issuer: str
    tenant: TenantId | None
    tenant_claim: str
    algorithms: tuple[str, ...]
    subject_claim: str
    groups_claim: str
    client_claim: str
    agent_claim: str
    agent_value: str
    jwks_uri: str
    allow_special_addresses: bool


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """A server behind a URL. `allow_special_addresses` permits loopback and private ranges (off by default)."""

    url: str
    allow_special_addresses: bool
    ca_file: str | None


@dataclass(frozen=True, slots=True)
class StdioTransport:
    """A server that we start. `env` is added to an otherwise empty environment; `cwd` None is the gateway's."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one server: seconds per call, bytes per result, calls in flight (of all workers together)."""

    timeout_s: float = 30.0
    result_bytes: int = 8 * 1024 * 1024
    in_flight: int = 64


@dataclass(frozen=True, slots=True)
class Tool:
    """A known tool: classified in the server's file and pinned. `definition` is the pinned MCP tool object.

    `subject` is the argument that names whose data a call is about (None: its caller's), `retention` the class that
    its payloads are kept under (None: the usual one). `amount` is the argument with a sum of money that it moves,
    `currency` the one with its currency, or the currency itself.
    """

    id: ToolId
    operation: Operation
    risk: Risk
    labels: tuple[str, ...]
    definition: Mapping[str, object]
    digest: Digest
    subject: str | None = None
    retention: str | None = None
    amount: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A registered MCP server with its known tools, in the order of the pin."""

    name: ServerId
    tenant: TenantId
    title: str
    owner: str
    transport: HttpTransport | StdioTransport
    limits: Limits
    tools: Mapping[ToolId, Tool]


@dataclass(frozen=True, slots=True)
class Member:
    """Part of a toolset: all known tools of a server (`tools` None) or the named ones."""

    server: ServerId
    tools: tuple[ToolId, ...] | None


@dataclass(frozen=True, slots=True)
class Toolset:
    """A virtual MCP server over the tools of several servers of one tenant."""

    name: str
    tenant: TenantId
    title: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Pin:
    """What a server said when it was approved: its answer per era and its tool definitions."""

    server: ServerId
    pinned_at: str
    eras: Mapping[str, Mapping[str, object]]
    tools: Mapping[ToolId, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that exists. `notices` are oddities that do not stop a configuration, such as an unpinned tool."""

    tenants: Mapping[TenantId, Tenant]
    issuers: Mapping[str, IssuerEntry]
    servers: Mapping[ServerId, Server]
    toolsets: Mapping[str, Toolset]
    pins: Mapping[ServerId, Pin]
    notices: tuple[Problem, ...]
