"""What is recorded about a call, and the door through which it becomes durable.

Named tuples, not dataclasses: two are made for each call, and a frozen dataclass takes five times as long to make.
"""

from collections.abc import Awaitable, Callable, Mapping
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


class Whose(NamedTuple):
    """What a leaf says of the payloads that go with it: whose they are, how long they are kept, and which are.

    `subject` and `retention` are those of the `Capture`; `unkept` names payloads that were too large to be kept.
    """

    subject: str
    retention: str
    kept: tuple[str, ...]
    unkept: tuple[str, ...] = ()


class Why(NamedTuple):
    """What a client told of a call beside its arguments: commitments to its context, and what may stand in clear."""

    context: tuple[Context, ...] = ()
    model: str | None = None
    prompt_set: str | None = None


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

    `era` is the protocol version; `definition` the digest of the pinned tool; `snapshot` the control state in force;
    `operation` and `risk` are the tool's, as its owner classified it. Parts that were not known yet when a request was
    refused are None.
    """

    route: str
    method: str | None = None
    era: str | None = None
    server: ServerId | None = None
    tool: ToolId | None = None
    definition: Digest | None = None
    snapshot: Digest | None = None
    operation: str | None = None
    risk: str | None = None


class Intent(NamedTuple):
    """A call that is about to be forwarded. `at` is in seconds since the epoch, `id` a ULID, `args_c` a commitment.

    `trace` is a trace id in hex (W3C Trace Context). `amount` (a decimal text) and `currency` (ISO 4217) are the sum of
    money that it moves, where its tool is classified as moving one.
    """

    id: str
    at: float
    tenant: TenantId
    caller: Caller
    target: Target
    decision: Decision
    args_c: str
    request_bytes: int
    session: str | None = None
    whose: Whose | None = None
    trace: str | None = None
    why: Why | None = None
    amount: str | None = None
    currency: str | None = None


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
    whose: Whose | None = None
    trace: str | None = None


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
    whose: Whose | None = None
    trace: str | None = None
    why: Why | None = None


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

    def reach(self, tenant: TenantId, index: int, level: Level) -> Awaitable[None]:
        """Wait until a leaf that this recorder has appended has come as far as `level`.

        Raises Unwritable when the record cannot be written any more; how long to wait is the caller's choice.
        """
        ...

    def prove(self, tenant: TenantId, index: int) -> Awaitable[str]:
        """Return a C2SP tlog-proof of a leaf that this recorder has appended, once a checkpoint covers it.

        Raises Unwritable.
        """
        ...


class Cosigned(NamedTuple):
    """What witnesses answered: verified signature lines (C2SP signed-note, without newlines), and whether they do."""

    lines: tuple[str, ...]
    quorum: bool


class Cosigner(Protocol):
    """Who asks the witnesses. Called in a thread of its own, for one checkpoint after the other."""

    def cosign(self, origin: str, checkpoint: str, prove: Callable[[int], list[bytes]]) -> Cosigned:
        """Ask for cosignatures of a signed checkpoint; returns what came within the cosigner's own time limit.

        `prove` gives the consistency proof (RFC 6962, 2.1.2) from an older size to that of the checkpoint. It raises
        LookupError for a size that it cannot prove from.
        """
        ...
