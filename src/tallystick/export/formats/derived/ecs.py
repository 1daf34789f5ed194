"""Elastic Common Schema 9.4 documents, and lines of Elastic's bulk interface. Pure.

What ECS has no field for is in `labels` as text, or, where it is a number, in `tallystick`: a field set of our own.
"""

from collections.abc import Mapping
from typing import Final, TypeGuard

from tallystick.export.formats.derived.fields import AGENT, CALLER, Row, as_text, dump, value_at
from tallystick.export.formats.leaf import Event, at, is_list, is_object

ECS_VERSION: Final = "9.4.0"
DATASET: Final = "mcp.audit"
OWN: Final = "tallystick"
STREAM: Final = f"logs-{DATASET}-default"

ROWS: Final = (
    Row("@timestamp", ("metadata.original_time",), "time"),
    Row("message", ("message",), "what happened, as a sentence"),
    Row("event.id", ("metadata.uid",), "id of the event; `_id` of the document"),
    Row("event.code", ("metadata.event_code",), "kind of the leaf"),
    Row("event.action", ("api.operation", "activity_name"), "MCP method, or what was done"),
    Row("event.reason", ("status_detail", "status_code"), "reason codes, or how it ended"),
    Row("event.severity", ("severity_id",), "OCSF severity, 1 to 5"),
    Row("event.sequence", ("metadata.sequence",), "index of the leaf"),
    Row("event.hash", ("unmapped.tlog.leaf_hash",), "leaf hash"),
    Row("user.id", CALLER, "subject"),
    Row("user.name", CALLER, "subject"),
    Row("gen_ai.agent.id", AGENT, "agent that acts"),
    Row("gen_ai.agent.name", AGENT, "agent that acts"),
    Row("gen_ai.tool.name", ("resources.0.name", "unmapped.tally.tool"), "tool"),
    Row("gen_ai.request.model", ("ai_model.name",), "model, as the client states it"),
    Row("service.name", ("api.service.name", "unmapped.tally.server", "service.name"), "server or issuer"),
    Row("organization.id", ("metadata.tenant_uid",), "tenant"),
    Row("rule.id", ("policy.uid", "finding_info.analytic.uid"), "first policy that decided, or rule of a finding"),
    Row("rule.name", ("policy.uid", "finding_info.title"), "the same, or title of a finding"),
    Row("rule.version", ("policy.version",), "digest of the policies"),
    Row("trace.id", ("trace.uid",), "trace"),
    Row("source.address", ("src_endpoint.name", "evidences.0.src_endpoint.name"), "OAuth client"),
    Row("source.bytes", ("unmapped.tally.request_bytes",), "bytes of the arguments"),
    Row("destination.address", ("dst_endpoint.name",), "server"),
    Row("destination.bytes", ("unmapped.tally.result_bytes",), "bytes of the result"),
)

_CATEGORIES: Final = {
    2004: ["intrusion_detection"],
    3002: ["authentication"],
    3003: ["session"],
    3004: ["configuration"],
    3005: ["iam"],
    6002: ["process"],
    6003: ["api"],
}
_TYPES: Final = {1: "creation", 2: "access", 3: "change", 4: "deletion"}
"""ECS type of an activity of the classes that create, read, change and delete."""
_OUTCOMES: Final = {1: "success", 2: "failure"}
_NANOSECONDS: Final = 1_000_000
_DENIED, _FINDING = 2, 2004


def ecs(event: Event) -> bytes:
    """One document as JSON on one line, without a newline at its end."""
    return dump(document(event)).encode()


def bulk(event: Event, stream: str = STREAM) -> bytes:
    """Two lines: `create` under the event's id, so that a repeat is refused as such (409), and the document."""
    action = {"create": {"_index": stream, "_id": at(event, "metadata.uid")}}
    return f"{dump(action)}\n{dump(document(event))}\n".encode()


def document(event: Event) -> Event:
    """The document, nested."""
    found: Event = {"ecs": {"version": ECS_VERSION}}
    for target, paths, _ in ROWS:
        value = value_at(event, paths)
        if value is not None:
            _put(found, target, value)
    for target, value in _sorted_out(event).items():
        _put(found, target, value)
    found["labels"] = labels(event)
    found[OWN] = numbers(event)
    return found


def labels(event: Event) -> dict[str, str]:
    """Flat texts: the log's origin and index, and every text of `unmapped.tally`."""
    found = {
        "tlog_origin": as_text(at(event, "metadata.log_name")),
        "tlog_index": as_text(at(event, "metadata.sequence")),
    }
    for name, path in _LABELS.items():
        if text := as_text(at(event, path)):
            found[name] = text
    tally = at(event, "unmapped.tally")
    if is_object(tally):
        found.update({name: as_text(value) for name, value in tally.items() if not _is_number(value)})
    return found


def numbers(event: Event) -> dict[str, int]:
    """Numbers of `unmapped.tally`, and how many requests the event stands for."""
    tally = at(event, "unmapped.tally")
    found = {name: value for name, value in tally.items() if _is_number(value)} if is_object(tally) else {}
    if _is_number(count := at(event, "count")):
        found["count"] = count
    return found


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


_LABELS: Final = {
    "call": "metadata.correlation_uid",
    "status_code": "status_code",
    "session": "actor.session.uid",
    "issuer": "actor.session.issuer",
    "client": "actor.app_name",
    "era": "api.version",
    "ocsf_class": "class_uid",
    "activity": "activity_name",
    "comment": "comment",
    "risk": "risk_level",
}


def _sorted_out(event: Event) -> Event:
    """Values that ECS takes from closed lists."""
    of, denied = at(event, "class_uid"), at(event, "action_id") == _DENIED
    found: Event = {
        "event.kind": "alert" if at(event, "is_alert") else "event",
        "event.category": _CATEGORIES.get(of, ["configuration"]) if isinstance(of, int) else ["configuration"],
        "event.type": _types(event, of, denied=denied),
        "event.outcome": _OUTCOMES.get(status, "unknown")
        if isinstance(status := at(event, "status_id"), int)
        else "unknown",
        "event.provider": "tallystick",
        "event.module": "mcp",
        "event.dataset": DATASET,
        "observer.vendor": "Tallystick",
        "observer.product": "Tallystick",
        "observer.type": "gateway",
    }
    if of == _FINDING:
        found["event.outcome"] = "unknown"
    if isinstance(elapsed := at(event, "duration"), int):
        found["event.duration"] = elapsed * _NANOSECONDS
    if at(event, "api.operation") == "tools/call":
        found["gen_ai.operation.name"] = "execute_tool"
        found["gen_ai.tool.type"] = "extension"
        found["gen_ai.tool.call.id"] = at(event, "metadata.correlation_uid")
    groups = at(event, "actor.user.groups")
    if is_list(groups):
        found["user.roles"] = [as_text(group.get("uid")) for group in groups if is_object(group)]
    return found


def _types(event: Event, of: object, *, denied: bool) -> list[str]:
    kind = _TYPES.get(activity, "info") if isinstance(activity := at(event, "activity_id"), int) else "info"
    match of:
        case 6003:
            return [kind if kind != "info" else "access", "denied" if denied else "allowed"]
        case 3004:
            return [kind]
        case 3005:
            return ["admin"]
        case 3002 | 3003:
            return ["start"]
        case 6002:
            return [{3: "start", 4: "end"}.get(activity, "info") if isinstance(activity, int) else "info"]
        case _:
            return ["info"]


def _put(document: Event, target: str, value: object) -> None:
    place = document
    *above, last = target.split(".")
    for step in above:
        inner = place.setdefault(step, {})
        if not is_object(inner):
            return
        place = inner
    place[last] = value


def flat(document: Mapping[str, object], prefix: str = "") -> Event:
    """The document with dotted names, as Elastic sees it; `labels` stay one object."""
    found: Event = {}
    for name, value in document.items():
        path = f"{prefix}{name}"
        if is_object(value) and path != "labels":
            found.update(flat(value, f"{path}."))
        else:
            found[path] = value
    return found
