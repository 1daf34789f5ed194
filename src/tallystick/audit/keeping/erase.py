"""Forgetting: erasure on demand, and expiry by retention. Keys are destroyed, leaves and proofs stay."""

from collections.abc import Mapping, Sequence

import msgspec

from tallystick.audit.desk import Desk, Fields
from tallystick.audit.keeping.classes import RetentionClass
from tallystick.audit.keeping.holds import logs_of, open_index, record_hold
from tallystick.audit.keeping.judge import Block, Held, erasure_blocks, expiry_blocks
from tallystick.audit.keeping.ledger import Ledger
from tallystick.audit.leaf import timestamp
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.terms import TallyError, TenantId


class Blocked(TallyError):
    """An erasure that a hold or a statute forbids; nothing was erased."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        listed = "; ".join(f"{block.retention}: {block.why}" for block in blocks)
        super().__init__(code="denied", message=f"not erased: {listed}")


def erase(desk: Desk, ledger: Ledger, tenant: TenantId, asked: Fields) -> Fields:
    """Destroy the keys of a subject's payloads, in the named classes or in all; raises Blocked."""
    subject, wanted = str(asked["subject"]), _names(asked.get("classes"))
    vault = desk.vault(tenant)
    payloads = [entry for entry in vault.entries(subject) if not wanted or entry.retention in wanted]
    alive = {*vault.classes(subject)}
    classes = wanted or sorted(alive | {entry.retention for entry in payloads})
    held = [Held(subject, entry.retention, entry.ts) for entry in payloads]
    holds = ledger.holds()
    blocks = erasure_blocks(held, ledger.classes(), holds, desk.now(), ledger.promises())
    if blocks:
        raise Blocked(blocks)
    fields = {
        "action": "erase",
        "basis": str(asked["basis"]),
        "classes": classes,
        "holds_checked": len(holds),
        "keys": len(alive & {*classes}),
        "operator": str(asked["operator"]),
        "payloads": len(payloads),
        "subject": subject,
    }
    ranges = _ranges(desk, tenant, subject)
    return _destroy(desk, ledger, tenant, {**fields, "ranges": ranges} if ranges else fields)


def finish(desk: Desk, ledger: Ledger, tenant: TenantId) -> None:
    """Complete what a crash cut short: erasures that began, and holds without a leaf."""
    for identity, fields, index in ledger.pending():
        _destroy(desk, ledger, tenant, fields, (identity, index))
    for hold in ledger.unrecorded():
        record_hold(desk, tenant, hold, "placed", "unknown: recorded at the next start")
        ledger.recorded(hold.name)


def expire(desk: Desk, ledger: Ledger, tenant: TenantId, operator: str) -> Fields:
    """Remove payloads whose time is over, class by class; what a hold covers stays, and the answer says why."""
    classes, holds, vault = ledger.classes(), ledger.holds(), desk.vault(tenant)
    subjects = {hold.subject for hold in holds if hold.subject is not None}
    held = [Held(subject, entry.retention, entry.ts) for subject in subjects for entry in vault.entries(subject)]
    expired: list[Fields] = []
    blocked: list[Block] = []
    for name in sorted({usage.retention for usage in vault.usage()}):
        found = classes.get(name)
        if found is None:
            blocked.append(Block(name, "statute", f"retention class {name} is not defined, so nothing of it expires"))
            continue
        before = timestamp(found.expiry(desk.now()))
        blocks = expiry_blocks(name, before, held, holds)
        blocked += blocks
        if not blocks and any(usage.retention == name and usage.month < before[:7] for usage in vault.usage()):
            expired.append(_expire(desk, tenant, found, operator, len(holds)))
    return {"expired": expired, "blocked": [block._asdict() for block in blocked]}


def _destroy(
    desk: Desk,
    ledger: Ledger,
    tenant: TenantId,
    fields: Mapping[str, object],
    begun: tuple[str, int | None] | None = None,
) -> Fields:
    """Append the leaf of an erasure and carry it out; `begun`: the id and leaf of one that a crash cut short."""
    identity, index = begun or (desk.new_id(), None)
    # INVARIANT: what began is remembered until its keys are destroyed, so that a leaf never says what did not happen,
    # and no key is destroyed without a leaf: a crash in between is finished at the next order or start.
    ledger.begin(identity, fields, index)
    if index is None:
        index = desk.append(tenant, event(Event("erasure", identity, desk.now(), tenant, fields)))
        ledger.begin(identity, fields, index)
    desk.vault(tenant).erase(str(fields["subject"]), _names(fields["classes"]), index)
    ledger.end(identity)
    return {**fields, "leaf": index}


def _expire(desk: Desk, tenant: TenantId, found: RetentionClass, operator: str, holds: int) -> Fields:
    # Whole months go. A crash in the middle leaves some of them, which the next run removes and records.
    before = found.expiry(desk.now())
    removed = desk.vault(tenant).expire(found.name, before)
    fields = {
        "action": "expire",
        "basis": f"{found.law}: {found.years:g} years are over",
        "before": timestamp(before),
        "classes": [found.name],
        "holds_checked": holds,
        "keys": removed.keys,
        "operator": operator,
        "payloads": removed.records,
    }
    index = desk.append(tenant, event(Event("erasure", desk.new_id(), desk.now(), tenant, fields)))
    return {**fields, "stored_bytes": removed.stored_bytes, "leaf": index}


def _ranges(desk: Desk, tenant: TenantId, subject: str) -> list[dict[str, int]]:
    """First and last leaf, year by year, that name the subject."""
    index = open_index(desk, logs_of(desk, tenant))
    try:
        found = index.span(subject)
    finally:
        index.close()
    return [
        {"year": int(log.rpartition("/")[2]), "first": first, "last": last}
        for log, first, last in found
        if log.rpartition("/")[2].isdecimal() and f"/{tenant}/" in log
    ]


def _names(value: object) -> list[str]:
    """Names out of an order; raises TallyError ("invalid")."""
    try:
        return sorted({*msgspec.convert(value, list[str])}) if value is not None else []
    except msgspec.ValidationError as error:
        message = f"classes: {error}"
        raise TallyError(code="invalid", message=message) from error
