"""Forgetting: erasure on demand, and expiry by retention. Keys are destroyed, leaves and proofs stay."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import msgspec

from tallystick.audit.desk import Desk, Fields
from tallystick.audit.keeping.classes import expiry_of, seconds
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
        remedy = "--class leaves protected classes out, `tally audit hold list` shows holds"
        super().__init__(code="denied", message=f"not erased: {listed}. {remedy}")


@dataclass(frozen=True, slots=True)
class Begun:
    """An erasure or expiry under way: the fields of its leaf, and the keys that it destroys (erasures)."""

    fields: Mapping[str, object]
    keys: Sequence[str] = ()


def erase(desk: Desk, ledger: Ledger, tenant: TenantId, asked: Fields) -> Fields:
    """Destroy the keys of a subject's payloads, in the named classes or in all; raises Blocked."""
    subject, wanted = str(asked["subject"]), _names(asked.get("classes"))
    vault = desk.vault(tenant)
    # Asked for nothing: what is refused anyway leaves the keys as they are.
    _judge(desk, ledger, [Held(subject, one.retention, one.ts) for one in vault.entries(subject)], wanted)
    # INVARIANT: what is judged is what is destroyed. Payloads that come meanwhile go under other keys.
    keys = vault.retire(subject, wanted)
    payloads = vault.entries_of([key_id for key_id, _ in keys])
    held = [Held(subject, one.retention, one.ts) for one in payloads]
    # A key whose payloads are out of sight (a directory that is not mounted) counts as if they were made now.
    unseen = {retention for _, retention in keys} - {one.retention for one in payloads}
    held += [Held(subject, retention, timestamp(desk.now())) for retention in sorted(unseen)]
    holds = _judge(desk, ledger, held, wanted)
    fields: dict[str, object] = {
        "action": "erase",
        "basis": str(asked["basis"]),
        "classes": sorted({retention for _, retention in keys}),
        "holds_checked": holds,
        "keys": len(keys),
        "operator": str(asked["operator"]),
        "payloads": len(payloads),
        "subject": subject,
    }
    ranges = _ranges(desk, tenant, subject)
    begun = Begun({**fields, "ranges": ranges} if ranges else fields, [key_id for key_id, _ in keys])
    return {**begun.fields, "leaf": _carry_out(desk, ledger, tenant, begun)}


def finish(desk: Desk, ledger: Ledger, tenant: TenantId) -> None:
    """Complete what a crash cut short: erasures and expiries that began, and holds without a leaf."""
    for identity, said, index in ledger.pending():
        _carry_out(desk, ledger, tenant, msgspec.convert(said, Begun), identity, index)
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
        before = expiry_of(found, ledger.promises(), desk.now())
        due = vault.due(name, before)
        blocks = expiry_blocks(name, timestamp(before), held, holds)
        blocked += blocks
        if due.segments and not blocks:
            begun = Begun(
                {
                    "action": "expire",
                    "basis": f"{found.law}: {found.years:g} years are over",
                    "before": timestamp(before),
                    "classes": [name],
                    "holds_checked": len(holds),
                    "keys": due.keys,
                    "operator": operator,
                    "payloads": due.records,
                }
            )
            index = _carry_out(desk, ledger, tenant, begun)
            expired.append({**begun.fields, "stored_bytes": due.stored_bytes, "leaf": index})
    return {"expired": expired, "blocked": [block._asdict() for block in blocked]}


def _judge(desk: Desk, ledger: Ledger, held: Sequence[Held], wanted: Sequence[str]) -> int:
    """Return how many holds there are; raises Blocked where anything speaks against erasing."""
    asked = [one for one in held if not wanted or one.retention in wanted]
    holds = ledger.holds()
    blocks = erasure_blocks(asked, ledger.classes(), holds, desk.now(), ledger.promises())
    if blocks:
        raise Blocked(blocks)
    return len(holds)


def _carry_out(
    desk: Desk, ledger: Ledger, tenant: TenantId, begun: Begun, identity: str = "", index: int | None = None
) -> int:
    """Append the leaf and destroy; `identity` and `index`: id and place of the leaf of what a crash cut short."""
    identity = identity or desk.new_id()
    # INVARIANT: what began is remembered until it is done, so that a leaf never says what did not happen, and nothing
    # is destroyed without a leaf: what a crash cut short is finished at the next start, or before the next order.
    ledger.begin(identity, asdict(begun), index)
    if index is None:
        index = desk.append(tenant, event(Event("erasure", identity, desk.now(), tenant, begun.fields)))
        ledger.begin(identity, asdict(begun), index)
    vault = desk.vault(tenant)
    if begun.fields["action"] == "erase":
        vault.destroy(begun.keys, index)
    else:
        for name in _names(begun.fields["classes"]):
            vault.expire(name, seconds(str(begun.fields["before"])), index)
    ledger.end(identity)
    return index


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
