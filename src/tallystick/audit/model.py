"""What is recorded about a call, and the door through which it becomes durable.

Named tuples, not dataclasses: two are made for each call, and a frozen dataclass takes five times as long to make.
"""

from collections.abc import Awaitable, Mapping
from typing import Literal, NamedTuple, Protocol

from tallystick.terms import Caller, Decision, Digest, Reason, Refusal, ServerId, TallyError, TenantId, ToolId

Status = Literal["success", "tool_error", "rpc_error", "limited", "upstream_failure", "timeout", "cancelled"]
"""How a call ended, from the caller's view; denials are leaves of their own."""


Level = Literal["durable", "published", "cosigned"]
"""How far a record must have come before a reply leaves: synced to disk, under a signed checkpoint, under one that a
quorum of witnesses has cosigned."""

EventKind = Literal[
    "admin", "approval", "breakglass", "config", "erasure", "export", "heartbeat", "hold", "key", "login", "policy",
    "registry", "token",
]  # fmt: skip
"""Kinds of leaves that are no part of a call."""


class Content(NamedTuple):
    """One payload in clear: `field` is args, result, prompt, intent, reason, before or after."""

    field: str
    content: bytes


class Capture(NamedTuple):
    """Payloads that are kept, encrypted, with a leaf.

    `subject` is the reference (`leaf.subject_ref`) of the person whose data they are, `retention` the class that says
    how long they are kept.
    """

    subject: str
    retention: str
    contents: tuple[Content, ...]


class Sealed(NamedTuple):
    """One encrypted payload: its retention class and the self-describing record (`payload.seal`)."""

    retention: str
    record: bytes


class Context(NamedTuple):
    """Why a call was made, as a commitment: `of` is prompt, intent or reason; `source` is meta, argument or hook."""

    of: str
    source: str
    c: str


class Event(NamedTuple):
    """Anything that is recorded and is no call. `fields` are those of its kind in `leaf.kinds`, ready for JSON.

    `caller` is who did it through a gateway; what an operator did on the machine names them in its fields.
    """

    kind: EventKind
    id: str
    at: float
    tenant: TenantId
    fields: Mapping[str, object]
    caller: Caller | None = None


class Target(NamedTuple):
    """What a request was aimed at. Build one per route and tool: it does not change between calls.

    `era` is the protocol version; `definition` the digest of the pinned tool; `snapshot` the control state in force.
    Parts that were not known yet when a request was refused are None.
    """

    route: str
    method: str | None = None
    era: str | None = None
    server: ServerId | None = None
    tool: ToolId | None = None
    definition: Digest | None = None
    snapshot: Digest | None = None


class Intent(NamedTuple):
    """A call that is about to be forwarded. `at` is in seconds since the epoch, `id` a ULID, `args_c` a commitment."""

    id: str
    at: float
    tenant: TenantId
    caller: Caller
    target: Target
    decision: Decision
    args_c: str
    request_bytes: int
    session: str | None = None


class Outcome(NamedTuple):
    """How a call ended. `intent` is the index of its intent, or None for a request that never left the gateway.

    Without an intent, `target`, `caller` and `decision` say what the intent would have said.
    `result_c` is the commitment to the answer's `result` or `error` member, exactly as answered.
    """

    id: str
    at: float
    tenant: TenantId
    intent: int | None
    status: Status
    elapsed_us: int
    result_bytes: int = 0
    result_c: str | None = None
    rpc_code: int | None = None
    reasons: tuple[Reason, ...] = ()
    target: Target | None = None
    caller: Caller | None = None
    decision: Decision | None = None


class Denial(NamedTuple):
    """A request that was refused, or `requests` of them at once. `caller` is None when nobody was authenticated."""

    id: str
    at: float
    tenant: TenantId
    target: Target
    refusal: Refusal
    request_bytes: int
    caller: Caller | None = None
    decision: Decision | None = None
    args_c: str | None = None
    session: str | None = None
    requests: int = 1


class Unwritable(TallyError):
    """The record cannot be written, so nothing that needs a record may happen."""

    def __init__(self, message: str) -> None:
        super().__init__("unavailable", message)


class Recorder(Protocol):
    """Where leaves go."""

    def append(self, tenant: TenantId, leaf: bytes, capture: Capture | None = None) -> Awaitable[int]:
        """Return the leaf's index in the tenant's log once it is durable, and what is captured with it.

        Raises Unwritable, now or when awaited.
        """
        ...
