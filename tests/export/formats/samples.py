"""One leaf of each kind and of each turn that an event can take, in the form of the published schema."""

import json

from tallystick.export.formats import Entry, Event, Masking, Skipped, event

ORIGIN = "audit.bank.example/bank/2026"
CALL, OTHER, EVENT = ("01K7XW3Z9ABCDEFGHJKMNPQRST", "01K7XW3Z9ABCDEFGHJKMNPQRSV", "01K7XW40000123456789ABCDEF")
HEX, DIGEST, OLD = "ab" * 32, "sha256:" + "cd" * 32, "sha256:" + "0e" * 32
CALLER: Event = {
    "actors": ["spiffe://bank.example/agents/clerk"],
    "client": "teller-desk",
    "groups": ["tellers", "london"],
    "issuer": "https://login.bank.example",
    "kind": "person",
    "subject": "ada@bank.example",
}
AGENT: Event = {**CALLER, "actors": [], "kind": "agent", "subject": "spiffe://bank.example/agents/night"}
DECISION: Event = {"bundle": DIGEST, "effect": "allow", "policies": ["tellers-read"], "reasons": ["policy_allows"]}
REFUSAL: Event = {"code": "denied", "policies": ["no-payments"], "reasons": ["policy_forbids"]}
NOW, BEFORE = "2026-11-20T09:15:00.000250Z", "2026-11-20T09:14:00.000250Z"


def leaf(kind: str, fields: Event, ts: str = NOW) -> bytes:
    """Bytes of a leaf."""
    whole: Event = {"kind": kind, "tenant": "bank", "ts": ts, "v": 1, **fields}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


AIMED: Event = {
    "route": "servers/core",
    "method": "tools/call",
    "era": "2026-07-28",
    "server": "core",
    "tool": "get_account",
    "definition": DIGEST,
    "snapshot": OLD,
    "operation": "read",
    "risk": "medium",
}
INTENT = leaf(
    "intent",
    {
        "id": CALL,
        **AIMED,
        "caller": CALLER,
        "decision": DECISION,
        "args_c": HEX,
        "request_bytes": 120,
        "session": "s-77",
        "trace": "0af7651916cd43dd8448eb211c80319c",
        "model": "model-x",
        "prompt_set": "v12",
        "context": [{"c": HEX, "of": "prompt", "source": "meta"}, {"c": HEX, "of": "reason", "source": "argument"}],
        "subject": HEX,
        "retention": "calls",
        "kept": ["args", "prompt"],
    },
    BEFORE,
)


def outcome(status: str = "success", fields: Event | None = None) -> bytes:
    """Leaf that closes INTENT."""
    ended: Event = {"id": CALL, "intent": 41, "status": status, "elapsed_us": 12345, "result_bytes": 900}
    return leaf("outcome", {**ended, "reasons": [], **(fields or {})})


def denial(fields: Event | None = None) -> bytes:
    """Leaf of a refused request."""
    return leaf(
        "denial", {"id": CALL, **AIMED, "caller": CALLER, "refusal": REFUSAL, "request_bytes": 120, **(fields or {})}
    )


def heartbeat(fields: Event | None = None, ts: str = NOW) -> bytes:
    """Leaf of a heartbeat."""
    return leaf("heartbeat", {"every_s": 60, "size": 1000, "opened": 2, **(fields or {})}, ts)


VKEY = "audit.bank.example/bank/2026+1a2b3c4d+" + "A" * 44
NOBODY: Event = {"code": "unauthenticated", "policies": [], "reasons": ["token_missing", "flooded"]}
ANSWERED: Event = {"id": EVENT, "caller": {**CALLER, "subject": "eve@bank.example", "actors": []}, "call": CALL}

LEAVES: dict[str, tuple[bytes, bytes | None]] = {
    "outcome": (outcome(), INTENT),
    "outcome_failed": (outcome("rpc_error", {"rpc_code": -32602, "reasons": ["upstream_broken"]}), INTENT),
    "outcome_alone": (outcome(), None),
    "outcome_inside": (
        outcome("success", {"intent": None, **AIMED, "method": "tools/list", "caller": AGENT, "decision": DECISION}),
        None,
    ),
    "denial": (denial({"decision": {**DECISION, "effect": "deny"}, "args_c": HEX, "session": "s-77"}), None),
    "denial_of_many": (denial({"caller": None, "refusal": NOBODY, "requests": 250, "route": "servers/core"}), None),
    "in_doubt": (leaf("in_doubt", {"id": CALL, "intent": 41}), INTENT),
    "in_doubt_alone": (leaf("in_doubt", {"id": CALL, "intent": 41}), None),
    "open": (leaf("open", {"previous": {"origin": "audit.bank.example/bank/2025", "root": HEX, "size": 9}}), None),
    "config_first": (leaf("config", {"snapshot": DIGEST}), None),
    "config": (leaf("config", {"snapshot": DIGEST, "previous": {"snapshot": OLD}}), None),
    "policy": (leaf("policy", {"id": EVENT, "bundle": DIGEST, "previous": OLD, "snapshot": DIGEST}), None),
    "registry": (
        leaf(
            "registry",
            {"id": EVENT, "snapshot": DIGEST, "added": ["mail"], "changed": ["core/get_account"], "removed": []},
        ),
        None,
    ),
    "registry_pin": (
        leaf(
            "registry",
            {
                "id": EVENT,
                "caller": CALLER,
                "revision": 12,
                "object": "pin/core",
                "action": "update",
                "digest": DIGEST,
                "before": OLD,
                "definitions": [{"tool": "get_account", "digest": DIGEST}],
                "why": "reviewed",
            },
        ),
        None,
    ),
    "registry_step": (
        leaf(
            "registry",
            {
                "id": EVENT,
                "operator": "ops",
                "revision": 13,
                "object": "server/core",
                "action": "step",
                "digest": DIGEST,
                "before": OLD,
                "state": "suspended",
                "was": "approved",
                "comment": "an incident",
            },
        ),
        None,
    ),
    "login": (
        leaf(
            "login",
            {
                "id": EVENT,
                "result": "success",
                "issuer": "https://login.bank.example",
                "client": "console",
                "subject": "ada",
            },
        ),
        None,
    ),
    "login_failed": (
        leaf(
            "login",
            {
                "id": EVENT,
                "result": "failure",
                "issuer": "https://login.bank.example",
                "client": "console",
                "reasons": ["no"],
            },
        ),
        None,
    ),
    "token": (
        leaf(
            "token",
            {
                "id": EVENT,
                "result": "success",
                "grant": "token-exchange",
                "issuer": "https://login.bank.example",
                "client": "teller-desk",
                "subject": "ada@bank.example",
                "actors": ["spiffe://bank.example/agents/clerk"],
                "audience": ["https://mcp.bank.example/servers/core"],
                "expires": "2026-11-20T09:20:00.000000Z",
            },
        ),
        None,
    ),
    "approval": (leaf("approval", {**ANSWERED, "effect": "granted", "server": "core", "tool": "pay"}), denial()),
    "approval_by_requester": (
        leaf("approval", {**ANSWERED, "caller": CALLER, "effect": "granted", "server": "core", "tool": "pay"}),
        denial(),
    ),
    "approval_alone": (leaf("approval", {**ANSWERED, "effect": "expired", "server": "core", "tool": "pay"}), None),
    "admin": (
        leaf(
            "admin",
            {"id": EVENT, "caller": CALLER, "action": "update server", "object": "servers/core", "result": "success"},
        ),
        None,
    ),
    "heartbeat": (heartbeat(), heartbeat(ts=BEFORE)),
    "heartbeat_start": (heartbeat({"start": True}), None),
    "heartbeat_stop": (heartbeat({"stop": True}), heartbeat(ts=BEFORE)),
    "heartbeat_gap": (heartbeat(), heartbeat(ts="2026-11-20T08:00:00.000000Z")),
    "heartbeat_step": (heartbeat({"step_ms": -3600000}), heartbeat(ts=BEFORE)),
    "erasure": (
        leaf(
            "erasure",
            {
                "id": EVENT,
                "operator": "root",
                "action": "erase",
                "basis": "GDPR Art. 17(1)(b)",
                "classes": ["calls"],
                "keys": 3,
                "payloads": 41,
                "subject": HEX,
                "holds_checked": 2,
            },
        ),
        None,
    ),
    "hold": (
        leaf("hold", {"id": EVENT, "operator": "root", "hold": "case-9", "action": "placed", "matter": "litigation"}),
        None,
    ),
    "key": (
        leaf("key", {"id": EVENT, "operator": "root", "purpose": "checkpoint", "action": "introduced", "keys": [VKEY]}),
        None,
    ),
    "export": (
        leaf(
            "export",
            {
                "id": EVENT,
                "operator": "root",
                "purpose": "payload",
                "why": "complaint 12",
                "records": 1,
                "call": CALL,
                "field": "args",
                "digest": DIGEST,
            },
        ),
        None,
    ),
    "breakglass": (
        leaf(
            "breakglass",
            {
                "id": EVENT,
                "caller": CALLER,
                "why": "payments are down",
                "scope": "policy tellers-read",
                "until": "2026-11-20T10:00:00.000000Z",
            },
        ),
        None,
    ),
}

ENTRIES: dict[str, Entry] = {
    name: Entry(ORIGIN, 42 + place, found, about) for place, (name, (found, about)) in enumerate(LEAVES.items())
}


def event_of(entry: Entry, masking: Masking | None = None) -> Event:
    """Return the event of an entry, which has to have one."""
    found = event(entry) if masking is None else event(entry, masking)
    assert not isinstance(found, Skipped), found.why
    return found


def events() -> dict[str, Event]:
    """Return the event of every sample."""
    return {name: event_of(entry) for name, entry in ENTRIES.items()}
