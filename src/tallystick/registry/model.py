"""The nouns of the registry, as frozen values."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tallystick.registry.toolset import Conflicts, Overrides, Selection
from tallystick.settings import Problem
from tallystick.terms import Digest, ServerId, TenantId, ToolId

Operation = Literal["read", "write", "delete", "execute"]
"""What a tool does to the system behind it, decided by its owner, never by the server's annotations."""
Risk = Literal["low", "medium", "high", "critical"]
Reversibility = Literal["R0", "R1", "R2", "R3", "R4"]
"""R0 reads only; R1 can be undone by the system itself; R2 has an inverse tool; R3 waits and can be called back in that
time; R4 cannot be undone."""
Classification = Literal["public", "internal", "confidential", "restricted"]
State = Literal["draft", "in_review", "approved", "suspended", "retired"]
"""Where a server or a grant stands. Only what is approved has any effect."""
Credentials = Literal["none", "environment"]
"""How a server learns who calls it: not at all, or by what stands in the environment it is started with."""
ConsoleRole = Literal["owner", "admin", "operator", "reviewer", "developer", "auditor"]
WebhookFormat = Literal["generic", "jira", "servicenow"]

OPERATIONS: tuple[Operation, ...] = ("read", "write", "delete", "execute")
RISKS: tuple[Risk, ...] = ("low", "medium", "high", "critical")
REVERSIBILITIES: tuple[Reversibility, ...] = ("R0", "R1", "R2", "R3", "R4")
CLASSIFICATIONS: tuple[Classification, ...] = ("public", "internal", "confidential", "restricted")
STATES: tuple[State, ...] = ("draft", "in_review", "approved", "suspended", "retired")
CREDENTIALS: tuple[Credentials, ...] = ("none", "environment")
CONSOLE_ROLES: tuple[ConsoleRole, ...] = ("owner", "admin", "operator", "reviewer", "developer", "auditor")
WEBHOOK_FORMATS: tuple[WebhookFormat, ...] = ("generic", "jira", "servicenow")
EVENTS: tuple[str, ...] = (
    *(
        f"server.{word}"
        for word in ("submitted", "approved", "rejected", "suspended", "reinstated", "renewed", "retired")
    ),
    *(
        f"grant.{word}"
        for word in ("requested", "approved", "rejected", "suspended", "reinstated", "renewed", "retired")
    ),
    *("tool.quarantined", "tool.released", "review.due", "approval.expiring", "approval.expired"),
)
"""What a webhook can be told of."""


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
class Owner:
    """Who answers for a server. `person` also holds what was written as one plain text: a person or a team."""

    person: str = ""
    team: str = ""
    legal_entity: str = ""

    def __str__(self) -> str:
        """Return the parts that are known, in one line."""
        return ", ".join(part for part in (self.person, self.team, self.legal_entity) if part)


@dataclass(frozen=True, slots=True)
class Contract:
    """What was agreed with a provider: service levels, how to leave, and who works for it."""

    sla: str = ""
    exit: str = ""
    subcontractors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    """Who runs a server for us; empty `name`: nobody has said."""

    name: str = ""
    contract: Contract = Contract()


@dataclass(frozen=True, slots=True)
class SecurityReview:
    """When a server's security was last looked at and when it is next."""

    date: datetime.date | None = None
    next: datetime.date | None = None


@dataclass(frozen=True, slots=True)
class Support:
    """Whom to ask when a server does not do what it should."""

    contact: str = ""
    url: str = ""
    hours: str = ""


@dataclass(frozen=True, slots=True)
class ServerAbout:
    """What its owner says of a server. `unknown` names the fields that nobody has filled in.

    An unknown classification is the highest.
    """

    owner: Owner = Owner()
    purpose: str = ""
    provider: Provider = Provider()
    classification: Classification = "restricted"
    jurisdictions: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    approved_clients: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    security_review: SecurityReview = SecurityReview()
    credentials: Credentials = "none"
    support: Support = Support()
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ToolAbout:
    """What its owner says of a tool. `unknown` names the fields that nobody has filled in, `operation` and `risk` too.

    `scope` is the data that a call can reach. `sources` and `sinks` are labels: what its results may carry, and where
    its arguments may go. `rules` tighten its schema. An unknown reversibility is the worst.
    """

    scope: str = ""
    purpose: str = ""
    sources: tuple[str, ...] = ()
    sinks: tuple[str, ...] = ()
    reversibility: Reversibility = "R4"
    rules: Mapping[str, object] = field(default_factory=dict[str, object])
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tool:
    """A known tool: classified in the server's file and pinned. `definition` is the pinned MCP tool object.

    `offered` is what a client may see of it and what calls are judged by: the same object, or one with an inputSchema
    that the tool's argument rules have tightened. `subject` is the argument that names whose data a call is about
    (None: its caller's), `retention` the class that its payloads are kept under (None: the usual one). `amount` is the
    argument with a sum of money that it moves, `currency` the one with its currency, or the currency itself.
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
    about: ToolAbout = field(default_factory=ToolAbout)
    tightened: Mapping[str, object] | None = None

    @property
    def offered(self) -> Mapping[str, object]:
        """The definition with the schema that calls are judged by; `definition` itself where no rule tightens it."""
        return self.definition if self.tightened is None else self.tightened


@dataclass(frozen=True, slots=True)
class Server:
    """A registered MCP server with its known tools, in the order of the pin.

    `owner` is the owner of `about` in one line. One that is not approved keeps its name and its tools for policies and
    toolsets to speak of, and has no route.
    """

    name: ServerId
    tenant: TenantId
    title: str
    owner: str
    transport: HttpTransport | StdioTransport
    limits: Limits
    tools: Mapping[ToolId, Tool]
    state: State = "approved"
    about: ServerAbout = ServerAbout()


@dataclass(frozen=True, slots=True)
class Member:
    """Part of a toolset: all known tools of a server (`tools` None) or the named ones.

    Prompts and resources are chosen by patterns of their names and URIs; without any, none is offered.
    """

    server: ServerId
    tools: tuple[ToolId, ...] | None
    prompts: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Toolset:
    """A virtual MCP server over the tools, prompts and resources of several servers of one tenant.

    It offers what `members` and `include` choose, without what `exclude` names. `audience` None: open to its tenant.
    """

    name: str
    tenant: TenantId
    title: str
    members: tuple[Member, ...]
    include: tuple[Selection, ...] = ()
    exclude: tuple[Selection, ...] = ()
    conflicts: Conflicts = "prefix"
    priority: tuple[ServerId, ...] = ()
    overrides: Overrides = field(default_factory=Overrides)
    audience: "Audience | None" = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Why something that was approved is held back: it was seen to differ at `since` (RFC 3339), with `digest`."""

    since: str
    digest: str
    why: str


@dataclass(frozen=True, slots=True)
class Pin:
    """What a server said when it was approved: its answer per era, and its definitions.

    `quarantined` holds what has differed since, by tool; under `*` stands the whole server. `prompts` (by name),
    `resource_templates` (by template) and `variants` (what it says otherwise in another era, by era) are None where
    they were never pinned, so they are not compared.
    """

    server: ServerId
    pinned_at: str
    eras: Mapping[str, Mapping[str, object]]
    tools: Mapping[ToolId, Mapping[str, object]]
    quarantined: Mapping[str, Quarantine] = field(default_factory=dict[str, Quarantine])
    prompts: Mapping[str, Mapping[str, object]] | None = None
    resource_templates: Mapping[str, Mapping[str, object]] | None = None
    variants: Mapping[str, Mapping[str, object]] | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is meant: a caller that any of the lists names. All empty: nobody."""

    people: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """Lets callers in where they are no audience, until it ends. Exactly one of `toolset` and `server` is set.

    `tools` None: all of them, under the names they have there. `expires` is RFC 3339, `expires_at` the same in seconds
    since 1970; without an end both are None. Policy decides every call all the same.
    """

    name: str
    tenant: TenantId
    toolset: str | None
    server: ServerId | None
    tools: tuple[ToolId, ...] | None
    to: Audience
    purpose: str
    reason: str
    expires: str | None
    expires_at: float | None
    state: State = "approved"


@dataclass(frozen=True, slots=True)
class Agent:
    """A program that calls by itself: who owns it, what for, and from which clients."""

    name: str
    tenant: TenantId
    title: str
    owner: Owner
    purpose: str
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """Who has which role at the console; an empty `tenant` means everywhere."""

    name: str
    tenant: TenantId
    role: ConsoleRole
    people: tuple[str, ...]
    groups: tuple[str, ...]
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ticketing:
    """How tickets are opened and read. `project`, `kind`: Jira's; `table`: ServiceNow's.

    `approve` and `reject` are the names of the statuses that stand for a reviewer's word; `people` maps an account
    there to the person that we know, without whom its word counts for nothing.
    """

    project: str = ""
    kind: str = ""
    table: str = ""
    approve: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    people: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who is told of events (`events` empty: of all), and who may answer. `secret`: a `Secret` that signs.

    `token` names the `Secret` that the receiver asks for; `tenant` empty: events of every tenant.
    """

    name: str
    tenant: TenantId
    url: str
    format: WebhookFormat
    events: tuple[str, ...]
    secret: str
    token: str
    user: str
    allow_special_addresses: bool
    is_enabled: bool
    ticketing: Ticketing


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that exists. `notices` are oddities that do not stop a configuration, such as an unpinned tool."""

    tenants: Mapping[TenantId, Tenant]
    issuers: Mapping[str, IssuerEntry]
    servers: Mapping[ServerId, Server]
    toolsets: Mapping[str, Toolset]
    pins: Mapping[ServerId, Pin]
    notices: tuple[Problem, ...]
    grants: Mapping[str, Grant] = field(default_factory=dict[str, Grant])
    agents: Mapping[str, Agent] = field(default_factory=dict[str, Agent])
    roles: Mapping[str, Role] = field(default_factory=dict[str, Role])
    webhooks: Mapping[str, Webhook] = field(default_factory=dict[str, Webhook])
