"""Leaves: canonical JSON of what happened (RFC 8785), at most 8 KiB, with keyed commitments instead of payloads.

Pure. The builders run twice per call, so parts that repeat between calls (caller, decision) are encoded once and kept.
Nothing here puts arguments or results into a leaf.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, TypeGuard

import msgspec
import rfc8785

from tallystick.audit.leaf.ulid import CROCKFORD, ULID_LENGTH
from tallystick.audit.model import Denial, Intent, Outcome, Target, Whose, Why
from tallystick.terms import Caller, Decision, Reason, Refusal, TenantId

SIZE_LIMIT = 8192
_SAFE_INTEGER = 2**53 - 1
_MEMO_LIMIT = 4096
_BLOCK = 64
"""Bytes that SHA-256 takes in at once."""
_UNSET = msgspec.UNSET
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class _Bounds(NamedTuple):
    text: int
    items: int


# The roomy bounds hold for every honest leaf. A leaf that is still too long is built again with the tight ones, which
# keep the largest kind (about 60 strings) under the limit even when each character costs six bytes of escapes.
_ROOMY = _Bounds(512, 64)
_TIGHT = _Bounds(88, 8)


class _Leaf(msgspec.Struct, kw_only=True):
    """Every field of every kind. INVARIANT: declared in the order that RFC 8785 sorts them; absent ones stay UNSET."""

    amount: str | msgspec.UnsetType = _UNSET
    args_c: str | msgspec.Raw | msgspec.UnsetType = _UNSET
    caller: msgspec.Raw | msgspec.UnsetType | None = _UNSET
    context: list[dict[str, str]] | msgspec.UnsetType = _UNSET
    currency: str | msgspec.UnsetType = _UNSET
    decision: msgspec.Raw | msgspec.UnsetType | None = _UNSET
    definition: str | msgspec.UnsetType = _UNSET
    elapsed_us: int | msgspec.Raw | msgspec.UnsetType = _UNSET
    era: str | msgspec.UnsetType = _UNSET
    id: str | msgspec.Raw | msgspec.UnsetType = _UNSET
    intent: int | msgspec.Raw | msgspec.UnsetType | None = _UNSET
    kept: list[str] | msgspec.UnsetType = _UNSET
    kind: str
    method: str | msgspec.UnsetType = _UNSET
    model: str | msgspec.UnsetType = _UNSET
    operation: str | msgspec.UnsetType = _UNSET
    previous: dict[str, str | int] | msgspec.UnsetType = _UNSET
    prompt_set: str | msgspec.UnsetType = _UNSET
    reasons: list[str] | msgspec.UnsetType = _UNSET
    refusal: msgspec.Raw | msgspec.UnsetType = _UNSET
    request_bytes: int | msgspec.Raw | msgspec.UnsetType = _UNSET
    requests: int | msgspec.UnsetType = _UNSET
    result_bytes: int | msgspec.Raw | msgspec.UnsetType = _UNSET
    result_c: str | msgspec.Raw | msgspec.UnsetType = _UNSET
    retention: str | msgspec.UnsetType = _UNSET
    risk: str | msgspec.UnsetType = _UNSET
    route: str | msgspec.UnsetType = _UNSET
    rpc_code: int | msgspec.UnsetType = _UNSET
    server: str | msgspec.UnsetType = _UNSET
    session: str | msgspec.Raw | msgspec.UnsetType = _UNSET
    snapshot: str | msgspec.UnsetType = _UNSET
    status: str | msgspec.UnsetType = _UNSET
    subject: str | msgspec.Raw | msgspec.UnsetType = _UNSET
    tenant: str
    tool: str | msgspec.UnsetType = _UNSET
    trace: str | msgspec.Raw | msgspec.UnsetType = _UNSET
    ts: str | msgspec.Raw
    unkept: list[str] | msgspec.UnsetType = _UNSET
    v: int = 1


def encode(record: Intent | Outcome | Denial) -> bytes:
    """Leaf of a record. Over-long strings and lists are cut with a visible mark, so that any input fits."""
    # Two of three records are an intent or the usual outcome of one: their text is known but for a few values.
    leaf = None
    if isinstance(record, Intent):
        leaf = _filled_intent(record)
    elif isinstance(record, Outcome):
        leaf = _filled_outcome(record)
    if leaf is None:
        leaf = _encode(_build(record, _ROOMY))
    return leaf if len(leaf) <= SIZE_LIMIT else _encode(_build(record, _TIGHT))


def in_doubt(call_id: str, tenant: TenantId, intent: int, at: float) -> bytes:
    """Leaf that closes an intent of which nobody knows how it ended."""
    return _encode(_Leaf(kind="in_doubt", id=call_id, ts=timestamp(at), tenant=tenant, intent=intent))


def opening(tenant: TenantId, previous: tuple[str, int, str], at: float) -> bytes:
    """First leaf of a new year's log: origin, size and root (hex) of the log that it continues."""
    origin, size, root = previous
    chained: dict[str, str | int] = {"origin": origin, "root": root, "size": size}
    return _encode(_Leaf(kind="open", ts=timestamp(at), tenant=tenant, previous=chained))


def configured(tenant: TenantId, snapshot: str, replaced: str | None, at: float) -> bytes:
    """Leaf of a configuration that is about to be in force: its snapshot's digest, and that of the one it replaces."""
    previous: dict[str, str | int] | msgspec.UnsetType = _UNSET if replaced is None else {"snapshot": replaced}
    return _encode(_Leaf(kind="config", ts=timestamp(at), tenant=tenant, snapshot=snapshot, previous=previous))


def canonical(value: object) -> bytes | Refusal:
    """RFC 8785 bytes of a JSON value; one without such a form (an integer past 2^53, a lone surrogate) is refused."""
    try:
        if _is_plain(value):
            return _encode_sorted(value)
        return rfc8785.dumps(msgspec.to_builtins(value))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        text = "The arguments have no canonical form: use integers within 2^53, finite numbers and valid Unicode."
        return Refusal("invalid", (Reason.MALFORMED,), text, detail=str(error))


_INNER_PAD = bytes([octet ^ 0x36 for octet in range(256)])
_OUTER_PAD = bytes([octet ^ 0x5C for octet in range(256)])


@lru_cache(maxsize=8)
def _pads(key: bytes) -> tuple[bytes, bytes]:
    """The two blocks that HMAC-SHA-256 (RFC 2104) hashes before its content."""
    block = (key if len(key) <= _BLOCK else sha256(key).digest()).ljust(_BLOCK, b"\0")
    return block.translate(_INNER_PAD), block.translate(_OUTER_PAD)


def commit(key: bytes, call_id: str, field: str, content: bytes) -> str:
    """Commitment (hex) to the content of one field of one record: HMAC-SHA-256(disclose(...), content)."""
    # HMAC written out: the two pads of `key` are hashed for every record, and a digest object costs more than its hash.
    block = disclose(key, call_id, field).ljust(_BLOCK, b"\0")
    return sha256(block.translate(_OUTER_PAD) + sha256(block.translate(_INNER_PAD) + content).digest()).hexdigest()


def disclose(key: bytes, call_id: str, field: str) -> bytes:
    """The record key that lets an auditor check one commitment and no other: HMAC-SHA-256(key, id || field)."""
    inner, outer = _pads(key)
    return sha256(outer + sha256(inner + (call_id + field).encode()).digest()).digest()


_SUBJECT = b"tallystick.dev/subject/v1\0"
"""Sets these references apart from record keys, whose input begins with the capital letters and digits of a ULID."""


def subject_ref(key: bytes, tenant: TenantId, name: str) -> str:
    """Reference (hex) under which a person's payloads are kept: HMAC-SHA-256(key, domain || tenant || 0 || name).

    `name` is a caller's subject, or `argument=value` where a tool names the person by an argument.
    """
    # An argument is as long as its client likes: long names are not remembered, or they would fill the memory.
    return (_known_ref if len(name) <= _ROOMY.text else _ref)(key, tenant, name)


def _ref(key: bytes, tenant: TenantId, name: str) -> str:
    inner, outer = _pads(key)
    named = _SUBJECT + tenant.encode() + b"\0" + name.encode("utf-8", "surrogatepass")
    return sha256(outer + sha256(inner + named).digest()).hexdigest()


_known_ref = lru_cache(maxsize=_MEMO_LIMIT)(_ref)


_PAIRS = [high + low for high in CROCKFORD for low in CROCKFORD]


def call_id(at: float, entropy: bytes) -> str:
    """ULID of a call that starts at `at` (seconds since the epoch), from 10 random bytes."""
    number = int.from_bytes(entropy[:10], "big")
    return _moment(int(at * 1000)) + "".join(
        [_PAIRS[number >> shift & 1023] for shift in (70, 60, 50, 40, 30, 20, 10, 0)]
    )


@lru_cache(maxsize=8)
def _moment(millis: int) -> str:
    return "".join([CROCKFORD[millis >> shift & 31] for shift in range(45, -1, -5)])


def timestamp(at: float) -> str:
    """RFC 3339 text in UTC with microseconds."""
    second, micros = divmod(round(at * 1_000_000), 1_000_000)
    return f"{_second(second)}.{micros:06d}Z"


def glance(leaf: bytes) -> tuple[str, int | None, bytes]:
    """Kind, intent index and call id of one of our own leaves, without parsing it.

    Safe on canonical JSON: inside a string every quote is escaped, and no nested `kind` follows the top-level one.
    """
    _, found, rest = leaf.rpartition(b',"kind":"')
    if not found:
        return "", None, b""
    kind = rest[: rest.find(b'"')].decode()
    head = leaf[: -len(rest) - len(found)]
    call_id = head.partition(b'"id":"')[2][:ULID_LENGTH]
    index = head.rpartition(b',"intent":')[2].partition(b",")[0] if kind != "intent" else b""
    return kind, int(index) if index.isdigit() else None, call_id


def _build(record: Intent | Outcome | Denial, bounds: _Bounds) -> _Leaf:
    match record:
        case Intent():
            leaf = _Leaf(
                kind="intent",
                ts=timestamp(record.at),
                tenant=record.tenant,
                id=record.id,
                args_c=record.args_c,
                caller=_caller(record.caller, bounds),
                decision=_decision(record.decision, bounds),
                request_bytes=record.request_bytes,
            )
            if record.amount is not None:
                leaf.amount = record.amount
            if record.currency is not None:
                leaf.currency = record.currency
        case Outcome():
            return _outcome(record, bounds)
        case Denial():
            leaf = _Leaf(
                kind="denial",
                ts=timestamp(record.at),
                tenant=record.tenant,
                id=record.id,
                args_c=_UNSET if record.args_c is None else record.args_c,
                caller=None if record.caller is None else _caller(record.caller, bounds),
                decision=_UNSET if record.decision is None else _decision(record.decision, bounds),
                refusal=_refusal(record.refusal, bounds),
                requests=record.requests if record.requests > 1 else _UNSET,
                request_bytes=record.request_bytes,
            )
    _aim(leaf, record.target, bounds)
    _tell(leaf, record.whose, record.trace, bounds)
    if record.why is not None:
        _explain(leaf, record.why, bounds)
    if record.session is not None:
        leaf.session = _clip(record.session, bounds)
    return leaf


def _tell(leaf: _Leaf, whose: Whose | None, trace: str | None, bounds: _Bounds) -> None:
    if whose is not None:
        leaf.subject, leaf.retention = whose.subject, _clip(whose.retention, bounds)
        if whose.kept:
            leaf.kept = list(whose.kept)
        if whose.unkept:
            leaf.unkept = list(whose.unkept)
    if trace is not None:
        leaf.trace = trace


def _explain(leaf: _Leaf, why: Why, bounds: _Bounds) -> None:
    if why.context:
        leaf.context = [{"c": entry.c, "of": entry.of, "source": entry.source} for entry in why.context]
    if why.model is not None:
        leaf.model = _clip(why.model, bounds)
    if why.prompt_set is not None:
        leaf.prompt_set = _clip(why.prompt_set, bounds)


def _outcome(record: Outcome, bounds: _Bounds) -> _Leaf:
    leaf = _Leaf(
        kind="outcome",
        ts=timestamp(record.at),
        tenant=record.tenant,
        id=record.id,
        intent=record.intent,
        status=record.status,
        elapsed_us=record.elapsed_us,
        result_bytes=record.result_bytes,
        result_c=_UNSET if record.result_c is None else record.result_c,
        reasons=_clip_all(record.reasons, bounds),
    )
    _tell(leaf, record.whose, record.trace, bounds)
    if record.rpc_code is not None:
        leaf.rpc_code = max(-_SAFE_INTEGER, min(_SAFE_INTEGER, record.rpc_code))
    if record.target is not None:
        _aim(leaf, record.target, bounds)
    if record.caller is not None:
        leaf.caller = _caller(record.caller, bounds)
    if record.decision is not None:
        leaf.decision = _decision(record.decision, bounds)
    return leaf


def _aim(leaf: _Leaf, target: Target, bounds: _Bounds) -> None:
    leaf.route = _clip(target.route, bounds)
    if target.method is not None:
        leaf.method = _clip(target.method, bounds)
    if target.era is not None:
        leaf.era = _clip(target.era, bounds)
    if target.server is not None:
        leaf.server = _clip(target.server, bounds)
    if target.tool is not None:
        leaf.tool = _clip(target.tool, bounds)
    if target.definition is not None:
        leaf.definition = target.definition
    if target.snapshot is not None:
        leaf.snapshot = target.snapshot
    if target.operation is not None:
        leaf.operation = target.operation
    if target.risk is not None:
        leaf.risk = target.risk


# Keyed by identity: identity hands out the same Caller object for the same token, and hashing one would cost more than
# encoding it. INVARIANT: the memo holds the object it is keyed by, so an id cannot be reused while its entry lives.
_memo: dict[tuple[int, _Bounds], tuple[Caller | Decision, msgspec.Raw]] = {}


def _remember(key: tuple[int, _Bounds], subject: Caller | Decision, fields: object) -> msgspec.Raw:
    if len(_memo) >= _MEMO_LIMIT:
        _memo.clear()
    raw = msgspec.Raw(_encode_sorted(fields))
    _memo[key] = (subject, raw)
    return raw


def _caller(caller: Caller, bounds: _Bounds) -> msgspec.Raw:
    key = (id(caller), bounds)
    known = _memo.get(key)
    if known is not None and known[0] is caller:
        return known[1]
    fields: dict[str, object] = {
        "actors": _clip_all(caller.actors, bounds),
        "client": _clip(caller.client, bounds),
        "groups": _clip_all(caller.groups, bounds),
        "issuer": _clip(caller.issuer, bounds),
        "kind": caller.kind,
        "subject": _clip(caller.subject, bounds),
    }
    return _remember(key, caller, fields)


def _decision(decision: Decision, bounds: _Bounds) -> msgspec.Raw:
    key = (id(decision), bounds)
    known = _memo.get(key)
    if known is not None and known[0] is decision:
        return known[1]
    fields: dict[str, object] = {
        "bundle": decision.bundle,
        "effect": decision.effect,
        "policies": _clip_all(decision.policy_ids, bounds),
        "reasons": _clip_all(decision.reasons, bounds),
    }
    return _remember(key, decision, fields)


def _refusal(refusal: Refusal, bounds: _Bounds) -> msgspec.Raw:
    fields: dict[str, object] = {
        "code": refusal.code,
        "policies": _clip_all(refusal.policy_ids, bounds),
        "reasons": _clip_all(refusal.reasons, bounds),
    }
    return msgspec.Raw(_encode_sorted(fields))


_GAP = msgspec.Raw(b"\0")
"""Stands for a value that is filled in later. INVARIANT: JSON never holds this byte, because strings escape it."""

_Kept = tuple[object, ...] | None
"""What a leaf says of its payloads but whose they are: the subject differs from call to call, the rest does not."""
_IntentKey = tuple[int, int, Target, TenantId, bool, bool, _Kept]
_intents: dict[_IntentKey, tuple[Caller, Decision, bytes]] = {}
_NOTHING_RARE: list[object] = [None, None, None]
"""What most intents say of why, amount and currency."""
_USUAL: list[object] = [None, (), None, None, None]
"""What most outcomes say of code, reasons, target, caller and decision."""
_outcomes: dict[tuple[TenantId, str, _Kept], bytes] = {}


def _filled_intent(record: Intent) -> bytes | None:
    """The leaf out of its template; None where there is none (yet), where its client told why or where money moves."""
    # All fields at once: fetching one by its name costs four times as much.
    call_id, at, tenant, caller, target, decision, args_c, request_bytes, session, whose, trace, *rare = record
    if rare != _NOTHING_RARE:
        return None
    kept = None if whose is None else whose[1:]
    key = (id(caller), id(decision), target, tenant, session is None, trace is None, kept)
    known = _intents.get(key)
    if known is None or known[0] is not caller or known[1] is not decision:
        # Only a decision that was seen before is one that will come again; others would fill the memory for nothing.
        if (id(decision), _ROOMY) in _memo:
            _remember_intent(key, record)
        return None
    values: list[object] = [_encode(args_c), _encode(call_id), request_bytes]
    if session is not None:
        values.append(_encode(_clip(session, _ROOMY)))
    if whose is not None:
        values.append(_encode(whose[0]))
    if trace is not None:
        values.append(_encode(trace))
    return known[2] % (*values, _encode(timestamp(at)))


def _remember_intent(key: _IntentKey, record: Intent) -> None:
    if len(_intents) >= _MEMO_LIMIT:
        _intents.clear()
    leaf = _build(record, _ROOMY)
    leaf.args_c = leaf.id = leaf.request_bytes = leaf.ts = _GAP
    marks = [b"%b", b"%b", b"%d", b"%b"]
    if record.session is not None:
        leaf.session = _GAP
        marks.append(b"%b")
    if record.whose is not None:
        leaf.subject = _GAP
        marks.append(b"%b")
    if record.trace is not None:
        leaf.trace = _GAP
        marks.append(b"%b")
    _intents[key] = (record.caller, record.decision, _template(leaf, marks))


def _filled_outcome(record: Outcome) -> bytes | None:
    """The leaf of an outcome that has nothing to tell but the usual; None for any other."""
    call_id, at, tenant, intent, status, elapsed_us, result_bytes, result_c, *rare, whose, trace = record
    if intent is None or result_c is None or trace is not None or rare != _USUAL:
        return None
    key = (tenant, status, None if whose is None else whose[1:])
    known = _outcomes.get(key)
    if known is None:
        known = _remember_outcome(key, record)
    ts = _encode(timestamp(at))
    first = elapsed_us, _encode(call_id), intent, result_bytes, _encode(result_c)
    return known % ((*first, ts) if whose is None else (*first, _encode(whose[0]), ts))


def _remember_outcome(key: tuple[TenantId, str, _Kept], record: Outcome) -> bytes:
    if len(_outcomes) >= _MEMO_LIMIT:
        _outcomes.clear()
    leaf = _outcome(record, _ROOMY)
    leaf.elapsed_us = leaf.id = leaf.intent = leaf.result_bytes = leaf.result_c = leaf.ts = _GAP
    marks = [b"%d", b"%b", b"%d", b"%d", b"%b", b"%b"]
    if record.whose is not None:
        leaf.subject = _GAP
        marks.append(b"%b")
    template = _outcomes[key] = _template(leaf, marks)
    return template


def _template(leaf: _Leaf, marks: Sequence[bytes]) -> bytes:
    """Text of a leaf with a format mark in each of its gaps."""
    first, *others = _encode(leaf).replace(b"%", b"%%").split(b"\0")
    return first + b"".join([mark + part for mark, part in zip(marks, others, strict=True)])


def _clip(text: str, bounds: _Bounds) -> str:
    """Cut a string to its bound: characters when roomy, encoded bytes when tight; lone surrogates become U+FFFD."""
    if bounds is _ROOMY and len(text) <= bounds.text and text.isascii():
        return text
    clean = text[: bounds.text].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    while bounds is _TIGHT and len(_encode(clean)) > bounds.text:
        clean = clean[: len(clean) * 3 // 4]
    cut = len(text) - len(clean)
    return clean if cut <= 0 else f"{clean}\u2026(+{cut} characters)"


def _clip_all(texts: Sequence[str], bounds: _Bounds) -> list[str]:
    kept = [_clip(text, bounds) for text in texts[: bounds.items]]
    if len(texts) > bounds.items:
        kept.append(f"\u2026(+{len(texts) - bounds.items} entries)")
    return kept


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _is_plain(value: object) -> bool:
    """Tell whether sorted msgspec output is RFC 8785: ASCII keys sort alike, and no float has to be spelled."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if isinstance(value, int):
        return kind is int and -_SAFE_INTEGER <= value <= _SAFE_INTEGER
    if _is_list(value):
        return all(map(_is_plain, value))
    return _is_object(value) and all(
        isinstance(name, str) and name.isascii() and _is_plain(value[name]) for name in value
    )


def _is_list(value: object) -> TypeGuard[list[object]]:
    return type(value) is list


def _is_object(value: object) -> TypeGuard[dict[object, object]]:
    return type(value) is dict
