"""What of a leaf can be asked for. Pure."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from tallystick.audit.offline import is_fields

_DECISIVE: Final = {"intent": "allow", "denial": "deny"}


class Row(NamedTuple):
    """One leaf as a row. `amount` is in millionths of the currency's unit; None where a leaf does not tell."""

    log: str
    number: int
    kind: str
    tenant: str
    ts: str
    call: str | None
    intent: int | None
    person: str | None
    agent: str | None
    client: str | None
    server: str | None
    tool: str | None
    method: str | None
    route: str | None
    decision: str | None
    outcome: str | None
    reasons: str | None
    policies: str | None
    amount: int | None
    currency: str | None
    subject: str | None
    trace: str | None
    snapshot: str | None


def row_of(log: str, index: int, fields: Mapping[str, object]) -> Row:
    """Row of leaf `index` of a log (its origin)."""
    caller, refusal = _part(fields, "caller"), _part(fields, "refusal")
    decision = _part(fields, "decision")
    kind = str(fields.get("kind"))
    person, agent = _who(fields, caller)
    return Row(
        log,
        index,
        kind,
        str(fields.get("tenant")),
        str(fields.get("ts")),
        _text(fields, "id"),
        _whole(fields.get("intent")),
        person,
        agent,
        _text(caller, "client") or _text(fields, "client"),
        _text(fields, "server"),
        _text(fields, "tool"),
        _text(fields, "method"),
        _text(fields, "route"),
        _text(decision, "effect") or _DECISIVE.get(kind),
        _text(fields, "status") or _text(fields, "result") or _text(refusal, "code"),
        _list(fields, "reasons") or _list(refusal, "reasons") or _list(decision, "reasons"),
        _list(refusal, "policies") or _list(decision, "policies") or _list(fields, "policies"),
        millionths(fields.get("amount")),
        _text(fields, "currency"),
        _text(fields, "subject") if kind not in {"login", "token"} else None,
        _text(fields, "trace"),
        _text(fields, "snapshot"),
    )


def millionths(amount: object) -> int | None:
    """Decimal text as an integer, so that amounts compare exactly; None for what is none or beyond 12 digits."""
    try:
        value = Decimal(amount) * 1_000_000 if isinstance(amount, str) else None
    except InvalidOperation:
        return None
    return int(value) if value is not None and value.is_finite() and abs(value) < 2**63 else None


def _who(fields: Mapping[str, object], caller: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Person and agent: an autonomous agent is its own subject, one that acts for a person is the current actor."""
    subject = _text(caller, "subject")
    actors = caller.get("actors") or fields.get("actors")
    actor = str(actors[0]) if isinstance(actors, list) and actors else None  # pyright: ignore[reportUnknownArgumentType] - of whatever kind it is
    if _text(caller, "kind") == "agent":
        return None, subject
    person = subject or (_text(fields, "subject") if fields.get("kind") in {"login", "token"} else None)
    return person or _text(fields, "operator"), actor


def _part(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = fields.get(name)
    return found if is_fields(found) else {}


def _text(fields: Mapping[str, object], name: str) -> str | None:
    found = fields.get(name)
    return found if isinstance(found, str) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _list(fields: Mapping[str, object], name: str) -> str | None:
    """Texts with a space around each, so that one is found as a word."""
    found = fields.get(name)
    return f" {' '.join(map(str, found))} " if isinstance(found, list) and found else None  # pyright: ignore[reportUnknownArgumentType] - of whatever kind they are
