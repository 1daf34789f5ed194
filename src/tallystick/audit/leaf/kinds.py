"""Every kind of leaf and every field it may have: the table behind `docs/reference/leaf-schema.json`.

Pure. A field that is not here is in no leaf: `event` refuses it, and `tally audit verify` names it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

Schema = Mapping[str, object]


class Field(NamedTuple):
    """One field: its JSON Schema (2020-12), what it says, and whether each leaf of the kind has it."""

    schema: Schema
    says: str
    required: bool = False


class Kind(NamedTuple):
    """One kind of leaf: what it stands for, and its fields beyond those that every leaf has."""

    says: str
    fields: Mapping[str, Field]


def _text(most: int = 640) -> Schema:
    # A text is cut at 512 characters, and then says how many are missing.
    return {"type": "string", "maxLength": most}


_COUNT: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
_DIGEST: Final[Schema] = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_HEX: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ULID: Final[Schema] = {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"}
_TIME: Final[Schema] = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$",
}
_TEXTS: Final[Schema] = {"type": "array", "items": _text(), "maxItems": 65}
_FLAG: Final[Schema] = {"const": True}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": sorted(required), "additionalProperties": False}


def _one_of(*values: str) -> Schema:
    return {"enum": list(values)}


_CALLER: Final[Schema] = _object(
    {
        "actors": _TEXTS,
        "client": _text(),
        "groups": _TEXTS,
        "issuer": _text(),
        "kind": _one_of("person", "agent"),
        "subject": _text(),
    },
    {"workload": _text()},
)
_DECISION: Final[Schema] = _object(
    {"bundle": _DIGEST, "effect": _one_of("allow", "deny"), "policies": _TEXTS, "reasons": _TEXTS}
)
_REFUSAL: Final[Schema] = _object({"code": _text(64), "policies": _TEXTS, "reasons": _TEXTS})
_CONTEXT: Final[Schema] = {
    "type": "array",
    "maxItems": 9,
    "items": _object(
        {"c": _HEX, "of": _one_of("prompt", "intent", "reason"), "source": _one_of("meta", "argument", "hook")}
    ),
}
_RANGES: Final[Schema] = {
    "type": "array",
    "maxItems": 65,
    "items": _object({"first": _COUNT, "last": _COUNT, "year": _COUNT}),
}

_DEFINITIONS: Final[Schema] = {
    "type": "array",
    "maxItems": 64,
    "items": _object({"digest": _DIGEST, "tool": _text()}),
}

EVERY_LEAF: Final[Mapping[str, Field]] = {
    "kind": Field(_text(16), "kind of the leaf", required=True),
    "tenant": Field(_text(63), "tenant whose log it is", required=True),
    "ts": Field(_TIME, "time of the machine's clock, UTC, microseconds", required=True),
    "v": Field({"const": 1}, "version of this form", required=True),
}

_ID: Final = {"id": Field(_ULID, "call or event; the leaves of one call share it", required=True)}
_CALLED: Final = {
    "route": Field(_text(), "entrance, servers/<name> or toolsets/<name>", required=True),
    "method": Field(_text(), "MCP method"),
    "era": Field(_text(), "protocol version"),
    "server": Field(_text(), "server behind the route"),
    "tool": Field(_text(), "the server's own name of the tool"),
    "definition": Field(_DIGEST, "digest of the pinned definition of the tool"),
    "snapshot": Field(_DIGEST, "digest of the control state in force"),
    "operation": Field(_one_of("read", "write", "delete", "execute"), "what the tool does, as its owner says"),
    "risk": Field(_one_of("low", "medium", "high", "critical"), "risk of the tool, as its owner says"),
}
_WHOSE: Final = {
    "subject": Field(_HEX, "keyed reference of the person whose data the payloads are"),
    "retention": Field(_text(64), "retention class of the payloads"),
    "kept": Field(_TEXTS, "payloads that are kept, encrypted, beside the log"),
    "unkept": Field(_TEXTS, "payloads that were too large to be kept"),
}
_TRACE: Final = {"trace": Field({"type": "string", "pattern": "^[0-9a-f]{32}$"}, "trace id (W3C Trace Context)")}
_WHY: Final = {
    "context": Field(_CONTEXT, "commitments to prompt, intent and reason, each with its source"),
    "model": Field(_text(), "model, as the client states it"),
    "prompt_set": Field(_text(), "version of the prompt set, as the client states it"),
}
_SESSION: Final = {"session": Field(_text(), "session of the caller (2025-11-25)")}
_OPERATOR: Final = {"operator": Field(_text(), "account on the machine that gave the order")}
_BY: Final = {"caller": Field(_CALLER, "who did it, where a gateway knows"), **_OPERATOR}
_STATE: Final = _one_of("draft", "in_review", "approved", "suspended", "retired")
_CONTROL: Final = {
    **_BY,
    "revision": Field(_COUNT, "revision of control state that the change made"),
    "object": Field(_text(), "resource, kind/name"),
    "digest": Field(_DIGEST, "SHA-256 of its canonical document now; absent where it has none"),
    "before": Field(_DIGEST, "the same before"),
    "why": Field(_text(), "reason as stated"),
}
"""What a change of control state says of the one resource that it is about."""
_LIFECYCLE: Final = {
    "state": Field(_STATE, "state of a reviewed resource now, or the one that was refused"),
    "was": Field(_STATE, "the same before"),
    "comment": Field(_text(), "what the reviewer said"),
}
_ACTION: Final = Field(_one_of("create", "update", "delete", "step", "mark"), "what was done to the resource")


def _optional(fields: Mapping[str, Field]) -> dict[str, Field]:
    return {name: field._replace(required=False) for name, field in fields.items()}


KINDS: Final[Mapping[str, Kind]] = {
    "intent": Kind(
        "A call that is about to be forwarded; durable before it is.",
        {
            **_ID,
            **_CALLED,
            **_WHOSE,
            **_TRACE,
            **_WHY,
            **_SESSION,
            "caller": Field(_CALLER, "identity chain: subject, actors, client, issuer", required=True),
            "decision": Field(_DECISION, "why it was allowed", required=True),
            "args_c": Field(_HEX, "commitment to the arguments", required=True),
            "request_bytes": Field(_COUNT, "size of the arguments in bytes", required=True),
            "amount": Field({"type": "string", "pattern": "^-?[0-9]{1,30}(\\.[0-9]{1,12})?$"}, "sum of money it moves"),
            "currency": Field({"type": "string", "pattern": "^[A-Z]{3}$"}, "currency of the amount (ISO 4217)"),
            "approval": Field(_ULID, "approval that cleared it"),
            "compensates": Field(_ULID, "call that this one undoes"),
        },
    ),
    "outcome": Kind(
        "How a call ended; durable before its caller learns it.",
        {
            **_ID,
            **_optional(_CALLED),
            **_WHOSE,
            **_TRACE,
            "intent": Field({"type": ["integer", "null"], "minimum": 0}, "index of its intent", required=True),
            "status": Field(
                _one_of("success", "tool_error", "rpc_error", "limited", "upstream_failure", "timeout", "cancelled"),
                "how it ended",
                required=True,
            ),
            "elapsed_us": Field(_COUNT, "time from the first byte to this leaf, microseconds", required=True),
            "result_bytes": Field(_COUNT, "size of the result in bytes", required=True),
            "reasons": Field(_TEXTS, "reason codes of a failure", required=True),
            "result_c": Field(_HEX, "commitment to the result as answered"),
            "rpc_code": Field({"type": "integer"}, "code of a JSON-RPC error"),
            "caller": Field(_CALLER, "who asked, where there is no intent"),
            "decision": Field(_DECISION, "why it was allowed, where there is no intent"),
        },
    ),
    "denial": Kind(
        "A request that was refused, or several at once.",
        {
            **_ID,
            **_CALLED,
            **_WHOSE,
            **_TRACE,
            **_WHY,
            **_SESSION,
            "caller": Field({"anyOf": [_CALLER, {"type": "null"}]}, "who asked; null for nobody known", required=True),
            "refusal": Field(_REFUSAL, "code, reasons and policies", required=True),
            "request_bytes": Field(_COUNT, "size of the arguments in bytes", required=True),
            "decision": Field(_DECISION, "what policy said, where it was asked"),
            "args_c": Field(_HEX, "commitment to the arguments"),
            "requests": Field(_COUNT, "number of requests that this leaf stands for"),
        },
    ),
    "in_doubt": Kind(
        "Closes an intent of which nobody knows how it ended.",
        {**_ID, "intent": Field(_COUNT, "index of the intent", required=True)},
    ),
    "open": Kind(
        "First leaf of a new year's log: chains it to the last one.",
        {
            "previous": Field(
                _object({"origin": _text(), "root": _HEX, "size": _COUNT}), "the log it continues", required=True
            )
        },
    ),
    "config": Kind(
        "A configuration that is about to be in force.",
        {
            "snapshot": Field(_DIGEST, "digest of the new control state", required=True),
            "previous": Field(_object({"snapshot": _DIGEST}), "the one it replaces"),
        },
    ),
    "policy": Kind(
        "A policy was changed, or those that are about to be in force differ from those before.",
        {
            **_ID,
            **_CONTROL,
            "action": _ACTION,
            "bundle": Field(_DIGEST, "digest of all policies"),
            "previous": Field({"anyOf": [_DIGEST, {"type": "null"}]}, "digest of those before"),
            "snapshot": Field(_DIGEST, "control state that they are part of"),
        },
    ),
    "registry": Kind(
        "A server, pin, toolset, grant or agent was changed, or those in force differ from those before.",
        {
            **_ID,
            **_CONTROL,
            **_LIFECYCLE,
            "action": _ACTION,
            "definition": Field(_DIGEST, "digest of all definitions that the reviewer of a step saw"),
            "definitions": Field(_DEFINITIONS, "of a pin: each tool with the digest of its pinned definition"),
            "quarantined": Field(_TEXTS, "of a pin: tools that are quarantined now; * for all"),
            "part": Field(_COUNT, "which of the leaves about one pin this is, from 1"),
            "parts": Field(_COUNT, "how many there are"),
            "snapshot": Field(_DIGEST, "control state that they are part of"),
            "added": Field(_TEXTS, "server or server/tool"),
            "changed": Field(_TEXTS, "server or server/tool"),
            "removed": Field(_TEXTS, "server or server/tool"),
        },
    ),
    "login": Kind(
        "Somebody signed in, or failed to.",
        {
            **_ID,
            "result": Field(_one_of("success", "failure"), "how it ended", required=True),
            "issuer": Field(_text(), "who signs people in", required=True),
            "client": Field(_text(), "OAuth client", required=True),
            "subject": Field(_text(), "who signed in, where known"),
            "reasons": Field(_TEXTS, "why not"),
        },
    ),
    "token": Kind(
        "A token was issued or exchanged, or refused.",
        {
            **_ID,
            "result": Field(_one_of("success", "failure"), "how it ended", required=True),
            "grant": Field(_text(), "OAuth grant type", required=True),
            "issuer": Field(_text(), "who issues it", required=True),
            "client": Field(_text(), "OAuth client", required=True),
            "subject": Field(_text(), "for whom"),
            "actors": Field(_TEXTS, "RFC 8693 act chain, outermost first"),
            "audience": Field(_TEXTS, "where it is good"),
            "expires": Field(_TIME, "until when it is good"),
            "reasons": Field(_TEXTS, "why not"),
        },
    ),
    "approval": Kind(
        "A human's answer about a call that waited for one.",
        {
            **_ID,
            **_BY,
            "call": Field(_ULID, "the call that waited", required=True),
            "effect": Field(_one_of("granted", "refused", "expired", "used"), "the answer", required=True),
            "server": Field(_text(), "server of the call"),
            "tool": Field(_text(), "tool of the call"),
            "definition": Field(_DIGEST, "definition that was approved"),
            "args_c": Field(_HEX, "commitment to the arguments that were approved"),
            "policies": Field(_TEXTS, "policies that asked for it"),
            "expires": Field(_TIME, "until when it may be used"),
        },
    ),
    "admin": Kind(
        "A change or an access by an administrator.",
        {
            **_ID,
            **_CONTROL,
            **_LIFECYCLE,
            "action": Field(_text(), "what was done", required=True),
            "object": Field(_text(), "to what", required=True),
            "result": Field(_one_of("success", "failure"), "how it ended", required=True),
            "reasons": Field(_TEXTS, "why not"),
        },
    ),
    "heartbeat": Kind(
        "The record was being kept at this time: silence between two of them is proof of silence.",
        {
            "every_s": Field(_COUNT, "seconds until the next one is due", required=True),
            "size": Field(_COUNT, "leaves before it", required=True),
            "opened": Field(_COUNT, "intents without an outcome", required=True),
            "start": Field(_FLAG, "the writer has just started"),
            "stop": Field(_FLAG, "the writer is about to stop, as told"),
            "step_ms": Field({"type": "integer"}, "milliseconds by which the clock was set since the last one"),
        },
    ),
    "erasure": Kind(
        "The keys of payloads were destroyed: on a subject's demand, or because their time was over.",
        {
            **_ID,
            **_OPERATOR,
            "action": Field(_one_of("erase", "expire"), "on demand, or by retention", required=True),
            "basis": Field(_text(), "legal basis as stated", required=True),
            "classes": Field(_TEXTS, "retention classes", required=True),
            "keys": Field(_COUNT, "data keys destroyed", required=True),
            "payloads": Field(_COUNT, "payloads that can no longer be read", required=True),
            "subject": Field(_HEX, "whose payloads"),
            "before": Field(_TIME, "payloads older than this (expire)"),
            "ranges": Field(_RANGES, "leaves whose payloads these were"),
            "holds_checked": Field(_COUNT, "legal holds that were looked at", required=True),
        },
    ),
    "hold": Kind(
        "A legal hold was placed or released.",
        {
            **_ID,
            **_OPERATOR,
            "hold": Field(_text(), "name of the hold", required=True),
            "action": Field(_one_of("placed", "released"), "what happened", required=True),
            "matter": Field(_text(), "why", required=True),
            "subject": Field(_HEX, "whose payloads; all where absent"),
            "retention": Field(_text(64), "which class; all where absent"),
            "since": Field(_TIME, "payloads not older than this; all where absent"),
            "until": Field(_TIME, "payloads not younger than this; all where absent"),
        },
    ),
    "key": Kind(
        "A key was introduced or retired.",
        {
            **_ID,
            **_OPERATOR,
            "purpose": Field(_one_of("checkpoint", "payload"), "what it is for", required=True),
            "action": Field(_one_of("introduced", "retired", "rewrapped"), "what happened", required=True),
            "keys": Field(
                {"type": "array", "items": _text(4096), "maxItems": 4},
                "verifier keys (C2SP signed-note), or key ids",
                required=True,
            ),
            "provider": Field(_text(), "who holds the master key"),
        },
    ),
    "export": Kind(
        "Payloads or records left the record in readable form; written before they do.",
        {
            **_ID,
            **_BY,
            "purpose": Field(_one_of("payload", "subject_access", "evidence", "log"), "what for", required=True),
            "why": Field(_text(), "reason as stated", required=True),
            "records": Field(_COUNT, "number of records or payloads", required=True),
            "subject": Field(_HEX, "whose data"),
            "call": Field(_ULID, "the call whose payload it is"),
            "field": Field(_text(16), "which payload of it"),
            "digest": Field(_DIGEST, "SHA-256 of what left"),
        },
    ),
    "breakglass": Kind(
        "Somebody went around a control in an emergency, on record.",
        {
            **_ID,
            **_BY,
            "why": Field(_text(), "reason as stated", required=True),
            "scope": Field(_text(), "which control, where", required=True),
            "until": Field(_TIME, "when it ends", required=True),
        },
    ),
}
