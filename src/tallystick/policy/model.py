"""What policies are compiled against: the facts about tenants, servers, toolsets and tools; and one parsed policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tallystick.terms import ServerId, TenantId, ToolId

OPERATIONS = ("read", "write", "delete", "execute")
RISKS = ("low", "medium", "high", "critical")
"""In rising order; the rank of a risk is its position, from 1."""

Duty = Literal["approve", "reason", "intent", "prompt"]
DUTIES: tuple[Duty, ...] = ("approve", "reason", "intent", "prompt")
"""What @obligation may hold, one or several with commas between."""

CONNECTING = frozenset({"initialize", "ping", "server/discover", "tools/list"})
"""Methods that only need Action::"connect": what they show is decided tool by tool."""
METHODS = frozenset(
    {
        "completion/complete",
        "logging/setLevel",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "subscriptions/listen",
    }
)
"""Methods with an action of their own, Action::"mcp/<method>"; every other one shares Action::"mcp/other"."""


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """A tenant and its parent."""

    tenant: TenantId
    parent: TenantId | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server and whose it is."""

    tenant: TenantId
    server: ServerId


@dataclass(frozen=True, slots=True)
class ToolsetFacts:
    """A toolset and whose it is."""

    tenant: TenantId
    toolset: str


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """A tool as its owner classified it; `input_schema` is the pinned JSON Schema of its arguments."""

    tenant: TenantId
    server: ServerId
    tool: ToolId
    operation: str
    risk: str
    labels: tuple[str, ...]
    input_schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a policy may speak about, apart from callers."""

    tenants: tuple[TenantFacts, ...] = ()
    servers: tuple[ServerFacts, ...] = ()
    toolsets: tuple[ToolsetFacts, ...] = ()
    tools: tuple[ToolFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class Uid:
    """Name of a Cedar entity."""

    type: str
    id: str

    def json(self) -> dict[str, str]:
        """Return Cedar's JSON form."""
        return {"type": self.type, "id": self.id}


@dataclass(frozen=True, slots=True)
class Policy:
    """One parsed policy. `body` is Cedar's JSON form of it (the EST)."""

    file: str
    id: str
    body: Mapping[str, object] = field(repr=False)

    @property
    def place(self) -> tuple[str, str]:
        """Return where problems of this policy are: file and quoted id."""
        return self.file, f'@id("{self.id}")'


def obligation_words(body: Mapping[str, object]) -> tuple[str, ...]:
    """Return the words of a policy's @obligation; nothing where it has none."""
    annotations = body.get("annotations")
    if not isinstance(annotations, Mapping) or "obligation" not in annotations:
        return ()
    return tuple(word.strip() for word in str(annotations["obligation"]).split(","))  # pyright: ignore[reportUnknownArgumentType] - parsed JSON


def duties_of(body: Mapping[str, object]) -> tuple[Duty, ...]:
    """Return what a policy that was checked obliges to."""
    words = obligation_words(body)
    return tuple(duty for duty in DUTIES if duty in words)


def tool_action(server: ServerId, tool: ToolId) -> str:
    """Return the id of a tool's action and of its entity."""
    return f"{server}/{tool}"


def method_action(method: str) -> str:
    """Return the id of the action that stands for an MCP method."""
    if method in CONNECTING:
        return "connect"
    return f"mcp/{method}" if method in METHODS else "mcp/other"
