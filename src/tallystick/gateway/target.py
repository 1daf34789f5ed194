"""Which of its rooms a message is for: the gateway itself, a pinned tool, a task, the server of a route, or a stream.

Values that clients repeat are opened here, before anything is decided: what does not open is refused.
"""

from typing import Final

import msgspec

from tallystick import audit
from tallystick.gateway import local
from tallystick.gateway.context import person_of
from tallystick.gateway.offers import find_prompt, find_resource
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.sealing import Held, about
from tallystick.gateway.sealing.held import HeldKind
from tallystick.gateway.tickets import (
    Identified,
    Local,
    ServerTarget,
    StreamTarget,
    Target,
    TaskTarget,
    ToolTarget,
)
from tallystick.gateway.upstream import Wanted
from tallystick.registry import Server
from tallystick.snapshot import Route, RoutedTool
from tallystick.terms import Reason, Refusal
from tallystick.wire import MODERN, Message

_LOCAL: Final = {
    "initialize": Local("open"),
    "server/discover": Local("open"),
    "tools/list": Local("list"),
    "ping": Local("ping"),
}
"""Requests that the gateway answers itself, from the snapshot."""

_OFFERS: Final = {
    "prompts/list": Local("prompts"),
    "resources/list": Local("resources"),
    "resources/templates/list": Local("templates"),
}
"""Requests that it answers itself on the route of a toolset."""

_OFFERED: Final = {"prompts/get": find_prompt, "resources/read": find_resource}
"""Requests that are for one of the servers behind a toolset."""

PAGED: Final = frozenset({"prompts/list", "resources/list", "resources/templates/list"})
"""Lists that a server answers, page by page."""

_TASKS_EXTENSION: Final = "io.modelcontextprotocol/tasks"
_TASKS: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
_NOT_SPOKEN: Final = frozenset({"tasks/list", "tasks/result"})
"""Methods of the tasks of 2025-11-25, which the gateway does not announce (docs/divergences.md)."""

_REFUSED: Final[dict[HeldKind, Refusal]] = {
    "state": Refusal(
        "invalid",
        (Reason.STATE_REFUSED,),
        "This requestState is not for this request. Send the request anew, without it.",
    ),
    "cursor": Refusal(
        "invalid", (Reason.CURSOR_REFUSED,), "This cursor is not for this list. List again from the beginning."
    ),
    "task": Refusal("not_found", (Reason.TASK_UNKNOWN,), "There is no such task here. Use the id as it was given."),
}


def find(rooms: Rooms, identified: Identified, found: Route) -> Target | Refusal:
    """Return where a message goes on a route."""
    received = identified.received
    message, era = received.message, received.era
    method = message.method
    if method == "tools/call":
        return _tool(rooms, identified, found)
    if message.kind != "request":
        return _unanswered(rooms, identified, found)
    if method in era.closed_methods or method in _NOT_SPOKEN:
        return _unknown(method)
    answer = _LOCAL.get(method)
    if answer is not None:
        return _first_page(message, answer)
    if method == "subscriptions/listen":
        return _listen(rooms, identified, found)
    if method in _TASKS:
        return _task(rooms, identified, found)
    return _offer(rooms, identified, found) if found.server is None else _server(rooms, identified, found.server)


def subject_of(message: Message, tool: str) -> str | Refusal:
    """Return what a request state is about: the method, the tool or name, and what the caller gave."""
    given = message.arguments if message.method == "tools/call" else _lasting(message.params)
    canonical = audit.leaf.canonical(given)
    return canonical if isinstance(canonical, Refusal) else about(message.method, tool, canonical)


def _lasting(params: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in params.items() if name not in ("_meta", "requestState", "inputResponses")}


def _tool(rooms: Rooms, identified: Identified, found: Route) -> ToolTarget | Refusal:
    message = identified.received.message
    name = message.params.get("name")
    if message.kind != "request" or not isinstance(name, str):
        return Refusal(
            "invalid", (Reason.MALFORMED,), "tools/call is a request with a name and an object of arguments."
        )
    routed = found.resolve(name, identified.caller, rooms.clock())
    if isinstance(routed, Refusal):
        return routed
    # INVARIANT: taken out before anything is made of the arguments: their commitment, what a retry's state is about and
    # what the server is sent are all without it, and so is a retry that gives another reason.
    reason = None if routed.reason is None else message.arguments.pop(routed.reason, None)
    given = _fix(message, routed) if routed.fixed else None
    params = _with_state(rooms, identified, behind(routed), {**message.params, "name": routed.tool.id})
    return params if isinstance(params, Refusal) else ToolTarget(routed, message.arguments, params, reason, given)


def behind(routed: RoutedTool) -> str:
    """Return which tool a name stands for, and that name.

    INVARIANT: what one server gave out is never given to another, whose tool has the name by now.
    """
    return f"{routed.name}\n{routed.server.name}/{routed.tool.id}"


def _fix(message: Message, routed: RoutedTool) -> str | None:
    """Put the arguments in that a toolset fixes; return the first that the caller gave, which changes nothing."""
    given = next((name for name in routed.fixed if name in message.arguments), None)
    if given is None:
        # INVARIANT: put in before anything is made of the arguments: what policy judges, what the record commits to,
        # what a retry's state is about and what the server is sent are the same ones.
        message.params["arguments"] = {**message.arguments, **routed.fixed}
    return given


def _offer(rooms: Rooms, identified: Identified, found: Route) -> Local | ServerTarget | Refusal:
    """Return where a message about prompts or resources goes on the route of a toolset."""
    message = identified.received.message
    # A toolset that announces no prompts, or no resources, knows nothing of them.
    announced = found.prompts if message.method.startswith("prompts/") else found.resources.readers
    answer, find_server = _OFFERS.get(message.method), _OFFERED.get(message.method)
    if announced and answer is not None:
        return _first_page(message, answer)
    if not announced or find_server is None:
        return _unknown(message.method)
    server = find_server(found, message, identified.caller, rooms.clock())
    return server if isinstance(server, Refusal) else _server(rooms, identified, server)


def _server(rooms: Rooms, identified: Identified, server: Server) -> ServerTarget | Refusal:
    message = identified.received.message
    params = _with_state(rooms, identified, server.name, message.params)
    if isinstance(params, Refusal):
        return params
    if message.method in PAGED and params.get("cursor") is not None:
        held = _open(rooms, identified, "cursor", params["cursor"], message.method)
        if isinstance(held, Refusal):
            return held
        params = {**params, "cursor": held.value}
    return ServerTarget(server, params)


def _with_state(
    rooms: Rooms, identified: Identified, tool: str, params: dict[str, object]
) -> dict[str, object] | Refusal:
    state = params.get("requestState")
    if state is None:
        return params
    subject = subject_of(identified.received.message, tool)
    held = subject if isinstance(subject, Refusal) else _open(rooms, identified, "state", state, subject)
    return held if isinstance(held, Refusal) else {**params, "requestState": held.value}


def _task(rooms: Rooms, identified: Identified, found: Route) -> TaskTarget | Refusal:
    params = identified.received.message.params
    if found.server is not None and not _has_tasks(found):
        return _unknown(identified.received.message.method)
    told = params.get("taskId")
    held = _open(rooms, identified, "task", told, None)
    if isinstance(held, Refusal) or not isinstance(told, str):
        return _REFUSED["task"]
    tool, person, real = (*held.about.split("\n"), "", "")[:3]
    # The tool may be gone from the route since, or another one have its name: then its tasks are gone too.
    routed = found.resolve(tool, identified.caller, rooms.clock())
    if isinstance(routed, Refusal) or (real and f"{tool}\n{real}" != behind(routed)):
        return _REFUSED["task"]
    # A task of an older release names nobody.
    person = person or person_of(rooms.commitment_key, identified.caller, None, {})
    return TaskTarget(routed, {**params, "taskId": held.value}, held.value, told, person)


def _has_tasks(found: Route) -> bool:
    """Tell whether the server of a route declared the tasks extension when it was pinned."""
    try:
        declared = msgspec.convert(found.eras.get(MODERN, {}), _Declared)
    except msgspec.ValidationError:
        return False
    return _TASKS_EXTENSION in declared.capabilities.extensions


def _open(rooms: Rooms, identified: Identified, kind: HeldKind, text: object, subject: str | None) -> Held | Refusal:
    where = identified.received.route, identified.caller, subject
    return rooms.keeper.open(kind, text, where, rooms.clock()) or _REFUSED[kind]


def _first_page(message: Message, answer: Local) -> Local | Refusal:
    # The gateway's own lists have one page, so no cursor was ever given out for them.
    return answer if message.params.get("cursor") is None else _REFUSED["cursor"]


def _unanswered(rooms: Rooms, identified: Identified, found: Route) -> Target | Refusal:
    message, session = identified.received.message, identified.session
    if message.kind == "response":
        if session is None or rooms.questions.asked(session.key, message.id) is None:
            return Refusal("invalid", (Reason.QUESTION_UNKNOWN,), "Nothing with this id was asked in this session.")
        return Local("respond")
    if message.method == local.STREAM:
        return _session_stream(rooms, identified, found)
    return Local("end" if message.method == local.END else "note")


def _session_stream(rooms: Rooms, identified: Identified, found: Route) -> StreamTarget:
    session_id = identified.received.headers.session or ""
    resources = rooms.sessions.resources_of(session_id)
    wanted = Wanted(prompts_list=True, resources_list=True, resources=resources, tools_list=True)
    return StreamTarget(found.server, wanted, {})


class _Capabilities(msgspec.Struct):
    extensions: dict[str, object] = {}


class _Declared(msgspec.Struct):
    capabilities: _Capabilities = msgspec.field(default_factory=_Capabilities)


RESOURCES: Final = 1_000
"""Resources and tasks that one stream may be asked for; a session may subscribe to as many resources."""


class _Notifications(msgspec.Struct, rename="camel"):
    tools_list_changed: bool = False
    prompts_list_changed: bool = False
    resources_list_changed: bool = False
    resource_subscriptions: list[str] = msgspec.field(default_factory=list[str])
    task_ids: list[str] = msgspec.field(default_factory=list[str])


def _listen(rooms: Rooms, identified: Identified, found: Route) -> StreamTarget | Refusal:
    """Read `subscriptions/listen` (2026-07-28, basic/patterns/subscriptions)."""
    try:
        asked = msgspec.convert(identified.received.message.params.get("notifications", {}), _Notifications)
    except msgspec.ValidationError as error:
        return Refusal("invalid", (Reason.MALFORMED,), f"params.notifications was not understood: {error}.")
    if len(asked.resource_subscriptions) + len(asked.task_ids) > RESOURCES:
        # Each of them is a decision, and is looked at with each notification.
        return Refusal("invalid", (Reason.TOO_LARGE,), f"Listen to {RESOURCES} resources and tasks at once at most.")
    tasks: dict[str, str] = {}
    for told in asked.task_ids:
        held = _open(rooms, identified, "task", told, None)
        if isinstance(held, Refusal):
            return held
        tasks[held.value] = told
    wanted = Wanted(
        asked.prompts_list_changed,
        asked.resources_list_changed,
        tuple(dict.fromkeys(asked.resource_subscriptions)),
        tuple(tasks),
        asked.tools_list_changed,
    )
    return StreamTarget(found.server, wanted, tasks)


def _unknown(method: str) -> Refusal:
    return Refusal("invalid", (Reason.METHOD_UNKNOWN,), f"The method {method[:80]!r} is not offered on this route.")
