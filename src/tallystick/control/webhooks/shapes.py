"""How an event is written for a receiver: as itself, as an issue of Jira, as a change request of ServiceNow.

Jira Cloud REST API v3 (issues, comments; texts in the Atlassian Document Format), ServiceNow Table API.
"""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from tallystick.control.lifecycle.read import is_object, section, text
from tallystick.control.webhooks.events import Event
from tallystick.control.webhooks.hook import Hook


class Request(NamedTuple):
    """What is sent: method, address, body (JSON)."""

    method: str
    url: str
    body: bytes


class Ticket(NamedTuple):
    """What a receiver opened: its id there, the name that people use for it, and where it can be seen."""

    id: str
    label: str
    url: str


OPENING: Final = frozenset({"server.submitted", "grant.requested", "tool.quarantined", "review.due"})
"""Events that somebody has to act on: a ticket is opened for each. All others are notes on the open ticket."""


def request_of(hook: Hook, event: Event, ticket: str) -> Request | None:
    """Return what to send; `ticket` is the id of the ticket that is open for the resource. None: nothing to say."""
    if hook.form == "generic":
        told = {"type": event.type, "timestamp": event.at, "data": dict(event.about)}
        return Request("POST", hook.url, _json(told))
    if event.type not in OPENING and not ticket:
        return None
    write = _jira if hook.form == "jira" else _servicenow
    return write(hook, event, "" if event.type in OPENING else ticket)


def ticket_of(hook: Hook, event: Event, body: bytes) -> Ticket | None:
    """Read which ticket was opened from the receiver's answer; None where none was."""
    if hook.form == "generic" or event.type not in OPENING:
        return None
    told = _fields(body)
    if hook.form == "jira":
        key = text(told, "key")
        return Ticket(key, key, f"{hook.url}/browse/{quote(key, safe='')}") if key else None
    result = section(told, "result")
    number = text(result, "number")
    where = f"{hook.url}/nav_to.do?uri={quote(f'{hook.table}.do?sys_id=')}"
    return Ticket(text(result, "sys_id"), number, where + text(result, "sys_id")) if text(result, "sys_id") else None


def summary(event: Event) -> str:
    """Return an event in one line."""
    return f"{event.about['resource']}: {event.type} ({event.tenant or 'everywhere'})"


def _lines(event: Event) -> list[str]:
    skipped = ("resource", "title", "tenant")
    said = [f"{name}: {_plain(value)}" for name, value in event.about.items() if name not in skipped and value]
    return [f"{event.about['title']} ({event.about['resource']}, {event.tenant or 'everywhere'})", *said]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _jira(hook: Hook, event: Event, ticket: str) -> Request:
    if ticket:
        where = f"{hook.url}/rest/api/3/issue/{quote(ticket, safe='')}/comment"
        return Request("POST", where, _json({"body": _document(event)}))
    fields = {
        "project": {"key": hook.project},
        "issuetype": {"name": hook.kind},
        "summary": summary(event),
        "description": _document(event),
        "labels": ["tallystick", event.id],
    }
    return Request("POST", f"{hook.url}/rest/api/3/issue", _json({"fields": fields}))


def _document(event: Event) -> dict[str, object]:
    """Lines as paragraphs of the Atlassian Document Format: texts only, so that nothing in them can be markup."""
    lines = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in _lines(event)]
    return {"type": "doc", "version": 1, "content": lines}


def _servicenow(hook: Hook, event: Event, ticket: str) -> Request:
    table = f"{hook.url}/api/now/table/{quote(hook.table, safe='')}"
    if ticket:
        return Request("PATCH", f"{table}/{quote(ticket, safe='')}", _json({"work_notes": "\n".join(_lines(event))}))
    fields = {
        "short_description": summary(event),
        "description": "\n".join(_lines(event)),
        "correlation_id": event.id,
        "correlation_display": "Tallystick",
    }
    return Request("POST", table, _json(fields))


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if is_object(value) else {}
