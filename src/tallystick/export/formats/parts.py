"""Parts that OCSF events share: the frame of every event, and the objects for caller, server and tool.

OCSF 1.8.0 (schema.ocsf.io), classes 2004, 3002, 3003, 3004, 3005, 6002 and 6003. Pure.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote

from tallystick.export.formats.leaf import Entry, Event, Leaf, event_id, leaf_hash

OCSF_VERSION: Final = "1.8.0"
PRODUCT: Final[Mapping[str, object]] = {"name": "Tallystick", "uid": "tallystick", "vendor_name": "Tallystick"}
UNKNOWN: Final = "unknown"
SEVERITIES: Final = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
_STATUS: Final = {True: (1, "Success"), False: (2, "Failure"), None: (0, "Unknown")}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Class(NamedTuple):
    """An OCSF class: its number and captions."""

    uid: int
    caption: str
    category: str


FINDING: Final = Class(2004, "Detection Finding", "Findings")
LOGON: Final = Class(3002, "Authentication", "Identity & Access Management")
SESSION: Final = Class(3003, "Authorize Session", "Identity & Access Management")
ENTITY: Final = Class(3004, "Entity Management", "Identity & Access Management")
ACCESS: Final = Class(3005, "User Access Management", "Identity & Access Management")
LIFECYCLE: Final = Class(6002, "Application Lifecycle", "Application Activity")
API: Final = Class(6003, "API Activity", "Application Activity")


class Said(NamedTuple):
    """What an event says at first sight. `ended` is None where success is no question."""

    of: Class
    activity: int
    activity_name: str
    message: str
    severity: int = 1
    ended: bool | None = None


class Draft(NamedTuple):
    """An event being built, and its `unmapped.tally`: what OCSF has no field for."""

    event: Event
    tally: Event


def frame(entry: Entry, leaf: Leaf, said: Said) -> Draft:
    """Everything that an event of any class has; `unmapped.tlog` names the leaf."""
    kind, time = leaf.text("kind"), milliseconds(leaf.text("ts"))
    metadata: Event = {
        "version": OCSF_VERSION,
        "product": PRODUCT,
        "profiles": ["host", "security_control"],
        "uid": event_id(entry.origin, entry.index),
        "sequence": entry.index,
        "event_code": kind,
        "log_name": entry.origin,
        "tenant_uid": leaf.text("tenant"),
        "original_time": leaf.text("ts"),
    }
    if call := leaf.text("call") or leaf.text("id"):
        metadata["correlation_uid"] = call
    status_id, status = _STATUS[said.ended]
    tally: Event = {"kind": kind, **_clock_of(time)}
    add(tally, event=leaf.text("id") if leaf.text("call") else None, operator=leaf.text("operator"))
    event: Event = {
        "metadata": metadata,
        "time": time,
        "category_uid": said.of.uid // 1000,
        "category_name": said.of.category,
        "class_uid": said.of.uid,
        "class_name": said.of.caption,
        "activity_id": said.activity,
        "activity_name": said.activity_name,
        "type_uid": said.of.uid * 100 + said.activity,
        "type_name": f"{said.of.caption}: {said.activity_name}",
        "severity_id": said.severity,
        "severity": SEVERITIES[said.severity],
        "status_id": status_id,
        "status": status,
        "message": said.message,
        "unmapped": {
            "tlog": {"origin": entry.origin, "index": entry.index, "leaf_hash": leaf_hash(entry.leaf)},
            "tally": tally,
        },
    }
    return Draft(event, tally)


def milliseconds(timestamp: str) -> int:
    """Milliseconds since the epoch of a leaf's timestamp; 0 if it has none that can be read."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return 0
    return 0 if moment.tzinfo is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def _clock_of(time: int) -> Event:
    # Rules about office hours need them as numbers: few SIEM languages can take a time apart in the same way.
    moment = _EPOCH + timedelta(milliseconds=time)
    return {"hour_utc": moment.hour, "weekday_utc": moment.isoweekday()}


def add(event: Event, /, **values: object) -> None:
    """Set what is there: None, empty texts and empty lists and objects are left out, as OCSF wants it."""
    event.update({name: value for name, value in values.items() if value is not None and value not in ("", [], {})})


def user(caller: Leaf) -> Event:
    """OCSF user: the subject, whoever acts for it."""
    found: Event = {"uid": caller.text("subject") or UNKNOWN}
    is_agent = caller.text("kind") == "agent"
    found.update({"type_id": 4, "type": "Service"} if is_agent else {"type_id": 1, "type": "User"})
    add(found, groups=[{"name": group, "uid": group} for group in caller.texts("groups")])
    return found


def actor(leaf: Leaf) -> Event:
    """OCSF actor: the subject, its issuer and session, and the agent that acts (outermost first)."""
    caller, operator = leaf.inner("caller"), leaf.text("operator")
    if not caller.fields:
        return {"user": {"uid": operator, "type_id": 2, "type": "Admin"}} if operator else {"app_name": UNKNOWN}
    found: Event = {"user": user(caller)}
    agent = acting(caller)
    add(found, app_uid=agent, app_name=caller.text("client"))
    session: Event = {}
    add(session, uid=leaf.text("session"), issuer=caller.text("issuer"))
    add(found, session=session)
    if issuer := caller.text("issuer"):
        found["idp"] = {"name": issuer, "uid": issuer}
    return found


def acting(caller: Leaf) -> str:
    """The agent that acts: the outermost actor, or the subject itself if it is one."""
    actors = caller.texts("actors")
    if actors:
        return actors[0]
    return caller.text("subject") if caller.text("kind") == "agent" else ""


def endpoint(name: str) -> Event:
    """OCSF network endpoint of which only a name is on record."""
    return {"name": name or UNKNOWN, "uid": name or UNKNOWN}


def tool_uri(server: str, tool: str) -> str:
    """URI of a tool. Percent-encoded, so that no name can reach into another one's place."""
    return f"mcp://{quote(server, safe='')}/tools/{quote(tool, safe='')}"


def resources(leaf: Leaf) -> list[Event]:
    """The tool that a call is aimed at, or nothing."""
    tool = leaf.text("tool")
    if not tool:
        return []
    found: Event = {"uid": tool_uri(leaf.text("server"), tool), "name": tool, "type": "MCP Tool"}
    add(found, version=leaf.text("definition"), labels=leaf.texts("labels"))
    return [found]
