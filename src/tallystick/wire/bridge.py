"""The same words in the form of another era: what a peer said in one, as a peer of the other has to hear it.

MCP 2026-07-28 (basic/index, basic/patterns/mrtr, server/discover, changelog), 2025-11-25 and 2025-06-18 (lifecycle,
client/elicitation). Only members that the protocol names are touched; unknown ones stay, and what nobody looks at
keeps its exact bytes. Nobody needs this module where both sides speak the same era.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from tallystick.terms import Reason, Refusal
from tallystick.wire import encode
from tallystick.wire.eras import Era
from tallystick.wire.message import CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY, PROGRESS_KEY, VERSION_KEY, is_object

Client = tuple[Mapping[str, object], Mapping[str, object] | None, str | None]
"""What a client says of itself: its capabilities, its Implementation, the least severe log message that it wants."""

MAX_QUESTIONS: Final = 32
"""Questions that one result may ask. More would only wear out whoever has to answer."""

_SERVER: Final = "io.modelcontextprotocol/serverInfo"
_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
_TASKS: Final = "io.modelcontextprotocol/tasks"
_RETRY: Final = ("inputResponses", "requestState")
_OF_MODERN_RESULTS: Final = ("resultType", "ttlMs", "cacheScope", "requestState")
_CACHEABLE: Final = frozenset(
    {"server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"}
)
_NO_RESOURCE: Final = -32002
_BAD_PARAMS: Final = -32602
_ASK_AT_URL: Final = -32042
_TO_MODERN: Final = {_NO_RESOURCE: _BAD_PARAMS, _ASK_AT_URL: -32603}
_TO_SESSIONS: Final = dict.fromkeys(range(-32029, -32019), -32603) | {-32021: -32600}
"""Error codes that the other era does not have: -32021 is the client's own lack, the others our own hop's envelope."""


class InputRequired(NamedTuple):
    """What a server of 2026-07-28 asks before it goes on: (method, params) by the server's key, and its own state."""

    requests: Mapping[str, tuple[str, dict[str, object]]]
    state: str | None


class _Asked(msgspec.Struct):
    method: str
    params: dict[str, object] = {}


class _InputRequired(msgspec.Struct):
    inputRequests: dict[str, _Asked] = {}  # noqa: N815 - the protocol's spelling
    requestState: str | None = None  # noqa: N815 - the protocol's spelling


class _Elicitation(msgspec.Struct):
    url: str
    message: str = ""


class _Elicitations(msgspec.Struct):
    elicitations: list[_Elicitation]


class _Error(msgspec.Struct):
    code: int
    details: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="data")


class _Located(msgspec.Struct):
    uri: str


_Value = TypeVar("_Value")
_Members = dict[str, msgspec.Raw]
_read_members: Final = msgspec.json.Decoder(_Members).decode
_read_tools: Final = msgspec.json.Decoder(list[_Members]).decode
_read_error: Final = msgspec.json.Decoder(_Error).decode
_read_located: Final = msgspec.json.Decoder(_Located).decode
_read_elicitations: Final = msgspec.json.Decoder(_Elicitations).decode
_read_input_required: Final = msgspec.json.Decoder(_InputRequired).decode


def client_of(params: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object] | None, str | None]:
    """Return the capabilities, the info and the log level that a 2026-07-28 request says its client has."""
    meta = params.get("_meta")
    said = meta if is_object(meta) else {}
    capabilities, about, level = said.get(CAPABILITIES_KEY), said.get(CLIENT_KEY), said.get(LOG_LEVEL_KEY)
    return (
        capabilities if is_object(capabilities) else {},
        about if is_object(about) else None,
        level if isinstance(level, str) else None,
    )


def request(method: str, params: Mapping[str, object], to: Era, client: Client) -> dict[str, object]:
    """Return the params of a client's request or notification in the form of era `to`, for `client`.

    The answers and the state of a retry never cross: they belong to the client's own era, and were the other side's
    to be given, they are added to what this returns.
    """
    del method
    old = params.get("_meta")
    envelope = (VERSION_KEY, CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY)
    meta = _without(old, envelope) if is_object(old) else {}
    if not to.sessions:
        capabilities, about, level = client
        meta |= {VERSION_KEY: to.version, CAPABILITIES_KEY: client_capabilities(capabilities, to)}
        meta |= {} if about is None else {CLIENT_KEY: about}
        meta |= {} if level is None else {LOG_LEVEL_KEY: level}
    rest = _without(params, ("_meta", *_RETRY))
    return {**rest, "_meta": meta} if meta else rest


def result(method: str, payload: bytes, to: Era, server: Mapping[str, object] | None) -> bytes:
    """Return a complete result of `method`, given as the bytes of the `result` member, in the form of era `to`.

    `server` is the Implementation of a server that only said it when its session was opened.
    """
    members = _read_members(payload)
    if to.sessions:
        members = _without(members, _OF_MODERN_RESULTS)
        if not bytes(members.get("structuredContent", b"{")).startswith(b"{"):
            del members["structuredContent"]
    if method == "tools/list":
        members |= _tools(members, to)
    if to.sessions:
        return encode.value(members)
    added = {"resultType": "complete"}
    if method in _CACHEABLE:
        added |= {"ttlMs": 0, "cacheScope": "private"}
    for name, value in added.items():
        members.setdefault(name, _raw(value))
    return encode.value(members if server is None else _with_meta(members, _SERVER, server))


def _tools(members: _Members, to: Era) -> _Members:
    """The tools as a client of `to` can use them.

    A session era wants an object for an output (2025-11-25, schema: Tool). What can only be run as a task of 2025-11-25
    is not shown to a client that has no such tasks.
    """
    try:
        tools = _read_tools(members.get("tools", b"[]"))
    except (ValueError, RecursionError):
        return {}
    if to.sessions:
        shown = [
            _without(tool, ("outputSchema",)) if _type_of(tool.get("outputSchema")) != "object" else tool
            for tool in tools
        ]
    else:
        shown = [_without(tool, ("execution",)) for tool in tools if not _needs_a_task(tool.get("execution"))]
    return {"tools": _raw(shown)}


def error(method: str, payload: bytes, to: Era) -> tuple[int, bytes]:
    """Return the code and the bytes of an `error` member in the form of era `to`.

    A code that `to` has no equal of is told as an ordinary one; `data["tallystick.dev/error"]` then holds the server's
    own code and data.
    """
    said = _read_error(payload)
    code = said.code
    if not to.sessions:
        code = _TO_MODERN.get(code, code)
    elif code == _BAD_PARAMS:
        code = _NO_RESOURCE if method == "resources/read" and _names_a_resource(said) else code
    else:
        code = _TO_SESSIONS.get(code, code)
    if code == said.code:
        return code, payload
    members = _read_members(payload) | {"code": _raw(code)}
    if {code, said.code} != {_NO_RESOURCE, _BAD_PARAMS}:
        members["data"] = _raw({"tallystick.dev/error": _without(_read_members(payload), ("message",))})
    return code, encode.value(members)


def opening(said: Mapping[str, object], to: Era) -> dict[str, object]:
    """Return what a server says of itself (an InitializeResult or a DiscoverResult) as the opening answer of `to`."""
    old, capabilities = said.get("_meta"), said.get("capabilities")
    meta = dict(old) if is_object(old) else {}
    about = said.get("serverInfo", meta.pop(_SERVER, None))
    mapped = server_capabilities(capabilities if is_object(capabilities) else {}, to)
    if "supportedVersions" not in said:
        # The extension is of 2026-07-28 alone: what an older server says of it enables nothing (ext-tasks, versioning).
        mapped = _without_extension(mapped, _TASKS)
    opening_members = ("_meta", "serverInfo", "protocolVersion", "supportedVersions", *_OF_MODERN_RESULTS)
    answer = _without(said, opening_members) | {"capabilities": mapped}
    if to.sessions:
        answer |= {"protocolVersion": to.version, "serverInfo": about if is_object(about) else _NAMELESS}
    else:
        answer |= {"resultType": "complete", "supportedVersions": [to.version], "ttlMs": 0, "cacheScope": "private"}
        meta |= {_SERVER: about} if is_object(about) else {}
    return answer | {"_meta": meta} if meta else answer


_NAMELESS: Final = {"name": "unnamed", "version": "0"}
"""The Implementation of a server that does not say who it is; a session era asks for one."""


def server_capabilities(capabilities: Mapping[str, object], to: Era) -> dict[str, object]:
    """Return ServerCapabilities as era `to` may be told them. 2025's tasks and 2026's cannot stand for each other."""
    mapped = _without(capabilities, ("tasks",))
    return _without_extension(mapped, _TASKS) if to.sessions else mapped


def client_capabilities(capabilities: Mapping[str, object], to: Era) -> dict[str, object]:
    """Return ClientCapabilities as a server of era `to` may be told them: only what can be kept across eras.

    Changes of the roots and tasks are not passed on. 2025-06-18 has no modes of elicitation and no kinds of sampling:
    a client that can only be sent to a URL cannot be asked by it.
    """
    mapped = _without_extension(_without(capabilities, ("tasks",)), _TASKS)
    roots = mapped.get("roots")
    if is_object(roots):
        mapped["roots"] = _without(roots, ("listChanged",))
    elicitation = mapped.get("elicitation")
    if not to.elicits_at_url:
        mapped |= {"sampling": {}} if "sampling" in mapped else {}
        if is_object(elicitation) and "url" in elicitation and "form" not in elicitation:
            del mapped["elicitation"]
        elif is_object(elicitation):
            mapped["elicitation"] = {}
    return mapped


def read_input_required(payload: bytes) -> InputRequired | Refusal:
    """Read a result whose resultType is `input_required`; a refusal where it asks nothing or cannot be read."""
    try:
        said = _read_input_required(payload)
    except (ValueError, RecursionError) as failure:
        return _broken(str(failure))
    if not said.inputRequests and said.requestState is None:
        return _broken("an input_required result has neither inputRequests nor requestState")
    if len(said.inputRequests) > MAX_QUESTIONS:
        return _broken(f"an input_required result asks more than {MAX_QUESTIONS} questions")
    return InputRequired(
        {key: (asked.method, asked.params) for key, asked in said.inputRequests.items()}, said.requestState
    )


def write_input_required(requests: Mapping[str, tuple[str, Mapping[str, object]]], state: str | None) -> bytes:
    """Return a result that asks `requests` and hands out `state`, to be brought back with the answers."""
    asked = {key: {"method": method, "params": params} for key, (method, params) in requests.items()}
    said: dict[str, object] = {"resultType": "input_required"}
    said |= {"inputRequests": asked} if asked else {}
    said |= {} if state is None else {"requestState": state}
    return encode.value(said)


def question(method: str, params: Mapping[str, object], to: Era, elicitation_id: str) -> dict[str, object]:
    """Return the params of a server's question in the form of the client's era.

    A client of 2025-11-25 knows an elicitation at a URL by an id; `elicitation_id` becomes it. Nobody passes on the
    progress of an answer, and an answer is never a task.
    """
    old = params.get("_meta")
    meta = _without(old, (PROGRESS_KEY,)) if is_object(old) else {}
    asked = _without(params, ("_meta", "task")) | ({"_meta": meta} if meta else {})
    if method != "elicitation/create":
        return asked
    asked.pop("elicitationId", None)
    if not to.elicits_at_url:
        return _without(asked, ("mode",))
    mode = asked.setdefault("mode", "form")
    return asked | {"elicitationId": elicitation_id} if to.sessions and mode == "url" else asked


def answers(params: Mapping[str, object]) -> Mapping[str, dict[str, object]]:
    """Return the answers that the retry of a 2026-07-28 request brings, by the key of the question."""
    brought = params.get("inputResponses")
    return {key: value for key, value in brought.items() if is_object(value)} if is_object(brought) else {}


def url_elicitations(error_payload: bytes) -> InputRequired | None:
    """Return the questions in an error of 2025-11-25 that sends the user to a URL first (-32042), None in any other.

    It has no state: whoever has been there simply calls again.
    """
    try:
        said = _read_error(error_payload)
        asked = _read_elicitations(said.details).elicitations if said.code == _ASK_AT_URL else []
    except (ValueError, RecursionError):
        return None
    requests: dict[str, tuple[str, dict[str, object]]] = {
        f"elicitation-{number}": ("elicitation/create", {"mode": "url", "message": one.message, "url": one.url})
        for number, one in enumerate(asked, 1)
    }
    return InputRequired(requests, None) if 0 < len(requests) <= MAX_QUESTIONS else None


def notification(method: str, payload: bytes, to: Era) -> bytes | None:
    """Return a notification, given as the bytes of the whole message, in the form of era `to`; None if it has none."""
    if method in to.closed_methods:
        return None
    return _subscribed(payload, None) if to.sessions else payload


def with_subscription(payload: bytes, subscription_id: int | str) -> bytes:
    """Return a notification, given as the bytes of the whole message, marked as belonging to a subscription."""
    return _subscribed(payload, subscription_id)


def acknowledged(subscription_id: int | str, honoured: Mapping[str, object]) -> bytes:
    """Return the first message of a 2026-07-28 subscription: which of the wishes are `honoured`."""
    params = {"_meta": {_SUBSCRIPTION: subscription_id}, "notifications": honoured}
    return encode.request(None, "notifications/subscriptions/acknowledged", params)


def _without(members: Mapping[str, _Value], names: Iterable[str]) -> dict[str, _Value]:
    return {name: value for name, value in members.items() if name not in names}


def _without_extension(capabilities: dict[str, object], name: str) -> dict[str, object]:
    extensions = capabilities.get("extensions")
    if not is_object(extensions) or name not in extensions:
        return capabilities
    kept = _without(extensions, (name,))
    return capabilities | {"extensions": kept} if kept else _without(capabilities, ("extensions",))


def _subscribed(payload: bytes, subscription_id: int | str | None) -> bytes:
    message = _read_members(payload)
    params = _members_of(message.get("params"))
    meta = _members_of(params.get("_meta"))
    if meta.pop(_SUBSCRIPTION, None) is None and subscription_id is None:
        return payload
    params.pop("_meta", None)
    if subscription_id is not None:
        meta[_SUBSCRIPTION] = _raw(subscription_id)
    if meta:
        params["_meta"] = _raw(meta)
    return encode.value(message | {"params": _raw(params)} if params or "params" in message else message)


def _members_of(value: msgspec.Raw | None) -> _Members:
    return {} if value is None or not bytes(value).startswith(b"{") else _read_members(value)


def _with_meta(members: _Members, name: str, value: object) -> _Members:
    meta = _members_of(members.get("_meta"))
    meta.setdefault(name, _raw(value))
    return members | {"_meta": _raw(meta)}


def _type_of(schema: msgspec.Raw | None) -> object:
    return None if schema is None else _plain(_members_of(schema).get("type"))


def _needs_a_task(execution: msgspec.Raw | None) -> bool:
    return _plain(_members_of(execution).get("taskSupport")) == "required"


def _plain(value: msgspec.Raw | None) -> object:
    return None if value is None else msgspec.json.decode(value)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(encode.value(value))


def _names_a_resource(said: _Error) -> bool:
    try:
        return bool(_read_located(said.details).uri)
    except ValueError:
        return False


def _broken(detail: str) -> Refusal:
    return Refusal(
        "upstream",
        (Reason.UPSTREAM_BROKEN,),
        "The server asked for something in a form that is not MCP. Ask its owner; the call may have taken effect.",
        detail,
    )
