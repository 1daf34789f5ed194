"""What is told: events, made from entries of the history and from nothing else, so each has one id for ever."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tallystick.control.entries import Entry
from tallystick.control.lifecycle.due import CLOCKWORK, EXPIRY, REMINDED, REVIEW
from tallystick.control.lifecycle.read import NOTHING, section, text
from tallystick.control.model import Resource, State
from tallystick.terms import TenantId


class Event(NamedTuple):
    """Something that happened. `id` is the same however often it is told; `at` is RFC 3339; `about` what it says."""

    type: str
    id: str
    at: str
    tenant: TenantId
    about: Mapping[str, object]


_SERVER: Final[Mapping[State, str]] = {
    "draft": "rejected",
    "in_review": "submitted",
    "approved": "approved",
    "suspended": "suspended",
    "retired": "retired",
}
_NOUNS: Final = {"Server": "server", "Grant": "grant"}
_VERBS: Final[Mapping[str, Mapping[State, str]]] = {"Server": _SERVER, "Grant": {**_SERVER, "in_review": "requested"}}
_ENDED: Final = "approval.expired"
HELD: Final = "tool.quarantined"
_FREED: Final = "tool.released"

EVENTS: Final = frozenset(
    {f"{_NOUNS[kind]}.{verb}" for kind, verbs in _VERBS.items() for verb in (*verbs.values(), "reinstated", "renewed")}
    | {REVIEW, EXPIRY, _ENDED, HELD, _FREED}
)
"""Every type of event."""


def events_of(entry: Entry, comment: str = "") -> tuple[Event, ...]:
    """Return what an entry of the history means to others; `comment` is what its step said."""
    after = entry.after
    if after is None:
        return ()
    if after.kind == "Pin":
        return tuple(_event(entry, after, what, {"tools": tools}) for what, tools in _quarantine(entry.before, after))
    if after.kind not in _NOUNS:
        return ()
    said = {"comment": comment} if comment else {}
    told = [_event(entry, after, what, said) for what in _steps(entry, after)]
    return (*told, *(_event(entry, after, what, {"reminder": text}) for what, text in _reminders(entry.before, after)))


def _steps(entry: Entry, after: Resource) -> Iterator[str]:
    noun, verbs = _NOUNS[after.kind], _VERBS[after.kind]
    before = entry.before
    if before is None:
        # What begins as a draft is nobody's business yet.
        if after.state != "draft":
            yield f"{noun}.{verbs[after.state]}"
    elif before.state != after.state:
        is_back = (before.state, after.state) == ("suspended", "approved")
        yield f"{noun}.reinstated" if is_back else f"{noun}.{verbs[after.state]}"
        if after.state == "suspended" and entry.actor.name == CLOCKWORK.name:
            yield _ENDED
    elif after.state == "approved" and section(before.status, "review") != section(after.status, "review"):
        yield f"{noun}.renewed"


def _reminders(before: Resource | None, after: Resource) -> Iterator[tuple[str, str]]:
    was = NOTHING if before is None else section(before.status, REMINDED)
    now = section(after.status, REMINDED)
    for what in (REVIEW, EXPIRY):
        if text(now, what) and text(now, what) != text(was, what):
            yield what, text(now, what)


def _quarantine(before: Resource | None, after: Resource) -> Iterator[tuple[str, dict[str, object]]]:
    was = NOTHING if before is None else section(before.status, "quarantined")
    now = section(after.status, "quarantined")
    if held := {tool: why for tool, why in now.items() if tool not in was}:
        yield HELD, held
    if freed := {tool: why for tool, why in was.items() if tool not in now}:
        yield _FREED, freed


def _event(entry: Entry, after: Resource, what: str, said: Mapping[str, object]) -> Event:
    name = f"{entry.revision}/{entry.key}/{what}"
    about: dict[str, object] = {
        "resource": f"server/{after.name}" if after.kind == "Pin" else str(after.key),
        "tenant": after.tenant,
        "title": text(after.spec, "title") or after.name,
        "revision": entry.revision,
        "version": after.version,
        "by": entry.actor.name,
        "why": entry.why,
        "state": after.state,
        "was": None if entry.before is None else entry.before.state,
        **said,
    }
    if review := section(after.status, "review"):
        about["review"] = dict(review)
    return Event(what, f"msg_{hashlib.sha256(name.encode()).hexdigest()[:32]}", entry.at, after.tenant, about)
