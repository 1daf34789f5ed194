"""The tickets of the corridor: what each room hands to the next.

A step takes exactly the ticket before it, so none can be skipped.
"""

from typing import Literal, NamedTuple

from tallystick.audit import Status
from tallystick.gateway.session import Session
from tallystick.gateway.upstream import Cancellation, Exchange
from tallystick.guard import Admission
from tallystick.registry import Server
from tallystick.snapshot import Route as SnapshotRoute
from tallystick.snapshot import RoutedTool, Snapshot
from tallystick.terms import Caller, Decision, Refusal
from tallystick.wire import Era, Headers, Message, Reply


class Received(NamedTuple):
    """1, wire: one message whose envelope agrees with it. `route` is `servers/<name>` or `toolsets/<name>`."""

    message: Message
    era: Era
    headers: Headers
    route: str
    exchange: Exchange
    cancellation: Cancellation
    started: float


class Identified(NamedTuple):
    """2, identity: somebody's message. `session` is set where the era has sessions and one is open."""

    received: Received
    caller: Caller
    session: Session | None


class Local(NamedTuple):
    """A request that the gateway answers itself."""

    answer: Literal["open", "list", "ping", "note", "end"]


class ToolTarget(NamedTuple):
    """A tool call: the pinned tool and the caller's own arguments."""

    routed: RoutedTool
    arguments: dict[str, object]


class ServerTarget(NamedTuple):
    """Any other request that is passed to the one server of a route."""

    server: Server


Target = Local | ToolTarget | ServerTarget


class Routed(NamedTuple):
    """3, snapshot: where it goes, under which snapshot."""

    identified: Identified
    snapshot: Snapshot
    route: SnapshotRoute
    target: Target


class Authorized(NamedTuple):
    """4, guard and policy: allowed, and admitted by the bulkhead where it leaves the gateway."""

    routed: Routed
    decision: Decision
    admission: Admission | None


class Cleared(NamedTuple):
    """5, approvals: whatever policy obliged has happened."""

    authorized: Authorized


class Intended(NamedTuple):
    """6, audit: the intent is durable as the log's leaf number `leaf`; None where nothing leaves the gateway."""

    cleared: Cleared
    call_id: str
    leaf: int | None


class Answered(NamedTuple):
    """7, upstream: how it ended. `reply` is a refusal where no answer came."""

    intended: Intended
    status: Status
    reply: Reply | Refusal


class Answer(NamedTuple):
    """What the client gets: an HTTP status, one JSON-RPC message (empty for a notification) and further headers."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
