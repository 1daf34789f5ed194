"""What the API answers beside resources."""

from typing import Literal

import msgspec

Code = Literal[
    "invalid",
    "unauthenticated",
    "denied",
    "not_found",
    "conflict",
    "approval_required",
    "limited",
    "unavailable",
    "upstream",
    "internal",
]
"""Kind of a refusal, as everywhere in Tallystick."""


class Place(msgspec.Struct, frozen=True):
    """One place that is wrong: where (a document, and the field in it), what, and what to do about it."""

    where: str
    field: str
    what: str
    remedy: str


class Problem(msgspec.Struct, frozen=True):
    """Every answer that is no success (RFC 9457). `reasons` are codes of docs/reference/reasons.md; `unmet` are gates
    of a lifecycle step; `version` is the one that the resource has now.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: Code
    reasons: list[str]
    policies: list[str] = msgspec.field(default_factory=list[str])
    errors: list[Place] = msgspec.field(default_factory=list[Place])
    unmet: list[str] = msgspec.field(default_factory=list[str])
    version: int | None = None


class Health(msgspec.Struct, frozen=True):
    """Whether the console works: the control database answers, the record can be written, and nothing else is wrong.

    `troubles` names what does not work (relay, webhooks, directory), each with a sentence; over the machine's socket
    the sentence says what exactly.
    """

    status: Literal["ok", "degraded"]
    version: str
    database: bool
    record: bool
    troubles: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Revision(msgspec.Struct, frozen=True):
    """The newest revision of control state, and the newest one that is on record and so in force.

    `troubles` are those of the health, in full for whoever may ask this of the whole installation.
    """

    head: int
    published: int
    troubles: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class Held(msgspec.Struct, frozen=True):
    """A role that somebody holds. Empty tenant: everywhere."""

    role: str
    tenant: str


class Whoami(msgspec.Struct, frozen=True):
    """Who the API takes the caller for. `operator`: came over the socket of the machine."""

    name: str
    kind: Literal["person", "agent", "operator"]
    tenant: str
    issuer: str
    client: str
    groups: list[str]
    actors: list[str]
    roles: list[Held]


class Verdict(msgspec.Struct, frozen=True):
    """Whether the caller may, and why."""

    allowed: bool
    action: str
    reasons: list[str]
    policies: list[str]


class Found(msgspec.Struct, frozen=True):
    """One server or tool that a search found."""

    of: Literal["server", "tool"]
    server: str
    tool: str
    tenant: str
    title: str
    description: str
    state: str
    owner: str
    operation: str
    risk: str
    classification: str
    quarantined: bool
    labels: list[str]


class Findings(msgspec.Struct, frozen=True):
    """One page of what a search found, and how much there is in all."""

    items: list[Found]
    total: int
    next: str | None = None


class Definition(msgspec.Struct, frozen=True):
    """What a server says of itself: as approved, as seen last, and how they differ. Null where nothing is known."""

    server: str
    pinned: dict[str, object] | None
    pinned_digest: str | None
    observed: dict[str, object] | None
    observed_digest: str | None
    quarantined: dict[str, object]
    diff: list[dict[str, object]]
    text: str = ""


class RouteView(msgspec.Struct, frozen=True):
    """One entrance of the gateway."""

    route: str
    tenant: str
    title: str
    tools: list[str]


class SnapshotView(msgspec.Struct, frozen=True):
    """The control state in force at this gateway."""

    digest: str
    routes: list[RouteView]
    notices: list[Place]


class Records(msgspec.Struct, frozen=True):
    """What a search in the record found, newest first: each names the log and the index of its leaf."""

    items: list[dict[str, object]]


class Heard(msgspec.Struct, frozen=True):
    """What an inbound webhook did: the state that something is in now, or nothing."""

    state: str | None = None
    revision: int | None = None
