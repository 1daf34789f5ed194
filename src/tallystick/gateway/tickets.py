"""The tickets of the corridor: what each room hands to the next.

A step takes exactly the ticket before it, so none can be skipped.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tallystick.audit import model
from tallystick.gateway.client import Channel
from tallystick.gateway.context import NOTHING, Given
from tallystick.gateway.sealing import Session
from tallystick.gateway.upstream import Cancellation, Wanted
from tallystick.guard import Admission
from tallystick.registry import Server
from tallystick.snapshot import Route as SnapshotRoute
from tallystick.snapshot import RoutedTool, Snapshot
from tallystick.terms import Caller, Decision, Refusal
from tallystick.wire import Era, Headers, Message, Reply


class Received(NamedTuple):
    """1, wire: one message whose envelope agrees with it. `route` is `servers/<name>` or `toolsets/<name>`.

    `address` is where it came from, as the listener saw it: good for counting, and for nothing else. `told` is what was
    under our own prefix in the message's `_meta`, unread.
    """

    message: Message
    era: Era
    headers: Headers
    route: str
    channel: Channel
    cancellation: Cancellation
    started: float
    address: str
    told: Mapping[str, object] = {}


class Identified(NamedTuple):
    """2, identity: somebody's message. `session` is set where the era has sessions and one is open."""

    received: Received
    caller: Caller
    session: Session | None


class Local(NamedTuple):
    """A message that the gateway answers itself."""

    answer: Literal["open", "list", "prompts", "resources", "templates", "ping", "note", "end", "respond"]


class ToolTarget(NamedTuple):
    """A tool call: the pinned tool, the caller's own arguments, and the parameters as they leave.

    `reason` is what was in the argument that the gateway adds to the tool's schema; it is in neither of the others.
    `given` names an argument that the caller gave and a toolset fixes: then the call is refused.
    """

    routed: RoutedTool
    arguments: dict[str, object]
    params: dict[str, object]
    reason: object = None
    given: str | None = None


class TaskTarget(NamedTuple):
    """A request about a task that a tool call of the same caller began. `told` is the id that the client knows.

    `person` is the reference of whose data the call was about.
    """

    routed: RoutedTool
    params: dict[str, object]
    task: str
    told: str
    person: str


class ServerTarget(NamedTuple):
    """Any other request that is passed to the one server of a route, with the parameters as they leave."""

    server: Server
    params: dict[str, object]


class StreamTarget(NamedTuple):
    """A stream on which the client is told what happens unasked. `tasks` maps a server's task ids to the told ones."""

    server: Server | None
    wanted: Wanted
    tasks: dict[str, str]


Target = Local | ToolTarget | TaskTarget | ServerTarget | StreamTarget


class Routed(NamedTuple):
    """3, snapshot: where it goes, under which snapshot; and what its client told with it."""

    identified: Identified
    snapshot: Snapshot
    route: SnapshotRoute
    target: Target
    given: Given = NOTHING


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
    status: model.Status
    reply: Reply | Refusal


class Answer(NamedTuple):
    """What the client gets: an HTTP status, one JSON-RPC message (empty for a notification) and further headers."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
