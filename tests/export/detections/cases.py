"""For each detection events that it has to find, and events close to them that it has to leave alone."""

import json
from collections.abc import Sequence

from tallystick.export.formats import Entry, Event
from tallystick.export.formats.leaf import is_list, is_object
from tests.export.formats.samples import (
    AGENT,
    ANSWERED,
    BEFORE,
    CALLER,
    ENTRIES,
    EVENT,
    ORIGIN,
    denial,
    event_of,
    heartbeat,
    leaf,
    outcome,
)

NIGHT, WEEKEND, NOON = ("2026-11-20T02:10:00.000000Z", "2026-11-21T12:00:00.000000Z", "2026-11-20T12:00:00.000000Z")
Case = list[Event]


def flat(event: Event, prefix: str = "") -> Event:
    """One event with dotted names, as a table holds it; of a list, its first object, or its texts in one."""
    found: Event = {}
    for name, value in event.items():
        if is_object(value):
            found.update(flat(value, f"{prefix}{name}."))
        elif is_list(value) and value and is_object(value[0]):
            found.update(flat(value[0], f"{prefix}{name}."))
        elif is_list(value):
            found[f"{prefix}{name}"] = json.dumps(value)
        else:
            found[f"{prefix}{name}"] = value
    return found


def told(*leaves: bytes, about: bytes | None = None) -> Case:
    """The events of leaves that follow each other."""
    return [event_of(Entry(ORIGIN, place, found, about)) for place, found in enumerate(leaves)]


def at_second(second: int) -> str:
    """Time within the hour from noon, inside of every window that starts there."""
    return f"2026-11-20T12:{second // 60:02d}:{second % 60:02d}.000000Z"


def timed(found: bytes, ts: str) -> bytes:
    """The same leaf at another time."""
    return found.replace(f'"ts":"{json.loads(found)["ts"]}"'.encode(), f'"ts":"{ts}"'.encode())


def burst(found: bytes, times: int, *, every: int = 1) -> Sequence[bytes]:
    """The same leaf again and again, some seconds apart."""
    return [timed(found, at_second(place * every)) for place in range(times)]


def _denied(servers: Sequence[str]) -> Sequence[bytes]:
    return [timed(denial({"server": server}), at_second(place)) for place, server in enumerate(servers)]


def _called(ts: str, **fields: object) -> bytes:
    """A call that succeeded, told by its outcome alone."""
    known: Event = {"intent": None, "method": "tools/call", "server": "core", "tool": "pay", "operation": "write"}
    return timed(outcome("success", {**known, "caller": CALLER, **fields}), ts)


def _policy(ts: str) -> bytes:
    return timed(ENTRIES["policy"].leaf, ts)


def _key(**fields: object) -> bytes:
    return leaf("key", {"id": EVENT, "purpose": "checkpoint", "action": "introduced", "keys": ["a+b+c"], **fields})


def _export(purpose: str) -> bytes:
    return leaf("export", {"id": EVENT, "operator": "root", "purpose": purpose, "why": "x", "records": 1})


def _sample(name: str) -> Case:
    return [event_of(ENTRIES[name])]


_PERSON: Event = {**CALLER, "actors": []}
_PROBE = denial({"refusal": {"code": "invalid", "policies": [], "reasons": ["arguments_invalid"]}})
_LOGIN = ENTRIES["login_failed"].leaf
_NOBODY = {"code": "unauthenticated", "policies": [], "reasons": ["token_missing"]}
_LARGE = _called(NOON, result_bytes=300_000)
_ERASED = json.loads(ENTRIES["erasure"].leaf)
_EXPIRED = json.dumps({**_ERASED, "action": "expire"}).encode()
_HOLD = ENTRIES["hold"].leaf

CASES: dict[str, dict[str, Case]] = {
    "denied_burst_by_agent": {
        "match": told(*burst(denial(), 10)),
        "too few": told(*burst(denial(), 9)),
        "too slow": told(*burst(denial(), 12, every=180)),
        "no agent": told(*burst(denial({"caller": _PERSON}), 10)),
        "two agents": told(*burst(denial(), 6), *burst(denial({"caller": AGENT}), 6)),
    },
    "denials_across_servers": {
        "match": told(*_denied(["core", "mail", "files"])),
        "one server": told(*_denied(["core"] * 9)),
        "two servers": told(*_denied(["core", "mail"] * 5)),
    },
    "write_by_agent_outside_hours": {
        "match": told(_called(NIGHT)),
        "match on a weekend": told(_called(WEEKEND)),
        "by day": told(_called(NOON)),
        "a read": told(_called(NIGHT, operation="read")),
        "no agent": told(_called(NIGHT, caller=_PERSON)),
        "failed": told(_called(NIGHT, status="tool_error")),
    },
    "call_in_doubt": {
        "match": _sample("in_doubt"),
        "match alone": _sample("in_doubt_alone"),
        "ended": _sample("outcome"),
    },
    "breakglass_used": {"match": _sample("breakglass"), "admin": _sample("admin")},
    "probing_of_schemas": {
        "match": told(*burst(_PROBE, 20)),
        "too few": told(*burst(_PROBE, 19)),
        "policy": told(*burst(denial(), 30)),
    },
    "unauthenticated_flood": {
        "match": _sample("denial_of_many"),
        "few": told(denial({"caller": None, "refusal": _NOBODY, "requests": 99})),
        "one": told(denial({"caller": None, "refusal": _NOBODY})),
    },
    "failed_sign_ins": {
        "match": told(*burst(_LOGIN, 10)),
        "too few": told(*burst(_LOGIN, 9)),
        "signed in": told(*burst(ENTRIES["login"].leaf, 12)),
    },
    "tool_definition_changed": {
        "match": _sample("registry"),
        "only added": told(leaf("registry", {"id": EVENT, "added": ["mail"], "changed": [], "removed": []})),
    },
    "policy_changed_outside_window": {
        "match": told(_policy(NIGHT)),
        "match on a weekend": told(_policy(WEEKEND)),
        "by day": told(_policy(NOON)),
        "registry at night": told(timed(ENTRIES["registry"].leaf, NIGHT)),
    },
    "heartbeat_gap": {
        "match": _sample("heartbeat_gap"),
        "in time": _sample("heartbeat"),
        "after a stop": told(heartbeat(), about=heartbeat({"stop": True}, "2026-11-20T08:00:00.000000Z")),
    },
    "clock_step": {
        "match": _sample("heartbeat_step"),
        "match forward": told(heartbeat({"step_ms": 60_000}), about=heartbeat(ts=BEFORE)),
        "small": told(heartbeat({"step_ms": -900}), about=heartbeat(ts=BEFORE)),
        "in time": _sample("heartbeat"),
    },
    "record_stopped": {"match": _sample("heartbeat_stop"), "started": _sample("heartbeat_start")},
    "payload_revealed": {
        "match": _sample("export"),
        "match subject access": told(_export("subject_access")),
        "evidence": told(_export("evidence")),
    },
    "payloads_erased": {"match": _sample("erasure"), "retention": told(_EXPIRED)},
    "legal_hold_released": {"match": told(_HOLD.replace(b'"placed"', b'"released"')), "placed": told(_HOLD)},
    "signing_key_changed": {
        "match": told(_key()),
        "match retired": told(_key(action="retired")),
        "payload key": told(_key(purpose="payload")),
    },
    "large_results_in_bulk": {
        "match": told(*burst(_LARGE, 20)),
        "too few": told(*burst(_LARGE, 19)),
        "small": told(*burst(_called(NOON, result_bytes=1000), 40)),
    },
    "approval_by_requester": {
        "match": _sample("approval_by_requester"),
        "by another": _sample("approval"),
        "refused": told(
            leaf("approval", {**ANSWERED, "caller": CALLER, "effect": "refused", "server": "core", "tool": "pay"}),
            about=denial(),
        ),
    },
}
