"""The orders that a running writer takes, by name. What concerns payloads or keeping is written in those packages."""

from base64 import b64encode
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from tallystick.audit.desk import Desk, Fields, Order, Standing, number_of, tenant_of, text_of
from tallystick.audit.leaf.call import timestamp
from tallystick.audit.leaf.event import event
from tallystick.audit.leaf.ulid import ULID_LENGTH, made_at
from tallystick.audit.model import Event
from tallystick.audit.offline.prove import PROOF_HEADER
from tallystick.audit.offline.read import is_items, read_fields
from tallystick.audit.signing import KeyChange
from tallystick.audit.tlog.merkle import inclusion
from tallystick.audit.tlog.tiles import WIDTH, read_tile, tile_node, unpack
from tallystick.terms import TallyError, TenantId

_MARGIN_S: Final = 60
"""Seconds by which the clock may have been set back since, and by which leaves of other clients may be older."""


def status(desk: Desk, fields: Fields) -> Fields:
    """Tell how each tenant's log stands."""
    del fields
    return {
        "uptime_s": round(desk.uptime(), 3),
        "tenants": {name: _told(desk.standing(name)) for name in desk.tenants()},
    }


def unknown(desk: Desk, fields: Fields) -> Fields:
    """Refuse an order that has no function."""
    del desk
    message = f"the writer knows no order {fields.get('order')!r}"
    raise TallyError(code="invalid", message=message)


def beat(desk: Desk, fields: Fields) -> Fields:
    """Append a heartbeat to every open log now; tells the index of each."""
    del fields
    return {"tenants": desk.beat()}


def prove(desk: Desk, fields: Fields) -> Fields:
    """Tell the tlog-proof of leaf `index` of a `tenant` (and `year`), once a checkpoint covers it."""
    tenant, index = tenant_of(fields), number_of(fields, "index")
    standing = desk.standing(tenant, number_of(fields, "year") if "year" in fields else None)
    if index >= standing.size:
        message = f"no leaf {index}: the log has {standing.size} leaves"
        raise TallyError(code="not_found", message=message)
    if index >= standing.published:
        desk.published(tenant, standing.year, index)
    return {"proof": _proof(standing, index)}


def find(desk: Desk, fields: Fields) -> Fields:
    """Tell which leaves with these `ids` (ULIDs) a `tenant` has on record, whatever of it is durable by now.

    For who appended a leaf and never heard how that ended. Looks back to `_MARGIN_S` before the oldest id was made.
    """
    tenant, wanted = tenant_of(fields), set(_ids(fields))
    found: set[str] = set()
    for year in (None, _year(min(wanted))) if tenant in desk.tenants() and wanted else ():
        standing = _opened(desk, tenant, year)
        if standing is not None:
            found |= _found(standing, wanted)
    return {"found": sorted(found)}


def _ids(fields: Fields) -> list[str]:
    ids = fields.get("ids")
    if not is_items(ids) or not all(isinstance(each, str) and len(each) == ULID_LENGTH for each in ids):
        message = "the order has no list 'ids' of ULIDs"
        raise TallyError(code="invalid", message=message)
    return [str(each) for each in ids]


def _year(ulid: str) -> int:
    return int(timestamp(made_at(ulid))[:4])


def _opened(desk: Desk, tenant: TenantId, year: int | None) -> Standing | None:
    """Return how the log of a year stands, everything in it published; None where there is no such open log."""
    try:
        standing = desk.standing(tenant, year)
    except TallyError:
        if year is None:
            raise
        return None
    if standing.size > standing.published:
        desk.published(tenant, standing.year, standing.size - 1)
    return standing


def _found(standing: Standing, wanted: AbstractSet[str]) -> set[str]:
    """Look for ids from the end of a log backwards."""
    marks = {b'"id":"' + each.encode() + b'"': each for each in wanted}
    since = timestamp(made_at(min(wanted)) - _MARGIN_S)
    found: set[str] = set()
    for number in range((standing.size - 1) // WIDTH, -1, -1):
        raw = read_tile(standing.read, None, number, standing.size)
        if raw is None:
            # Pruned: older than anything that is still waited for.
            break
        leaves = unpack(raw)[0]
        found |= {each for mark, each in marks.items() for leaf in leaves if mark in leaf}
        # All of them: a leaf that came late, or from a clock behind ours, says nothing of those around it.
        if found == wanted or all(str(read_fields(leaf).get("ts", "")) < since for leaf in leaves):
            break
    return found


def rotate_key(desk: Desk, fields: Fields) -> Fields:
    """Take one `step` of a key rotation, `begin` or `end`, on the word of an `operator`.

    The leaves that say so are published before the keys change. A change that a crash cut short is finished first.
    """
    step, operator = text_of(fields, "step"), text_of(fields, "operator")
    if step not in {"begin", "end"}:
        message = "a rotation has the steps begin and end"
        raise TallyError(code="invalid", message=message)
    unfinished = desk.signing.unfinished()
    if unfinished is not None:
        change_keys(desk, unfinished, operator)
    change = desk.signing.begin_rotation() if step == "begin" else desk.signing.end_rotation()
    return {"action": change.action, "tenants": change_keys(desk, change, operator)}


def change_keys(desk: Desk, change: KeyChange, operator: str) -> dict[TenantId, int]:
    """Write the leaves of a change of keys, wait until they are published, and carry it out; raises Unwritable."""
    told: dict[TenantId, int] = {}
    for tenant in desk.tenants():
        fields = {**change.fields(desk.standing(tenant).origin), "operator": operator}
        told[tenant] = desk.append(tenant, event(Event("key", desk.new_id(), desk.now(), tenant, fields)))
    for tenant, index in told.items():
        desk.published(tenant, desk.standing(tenant).year, index)
    desk.settle_keys()
    return told


def _proof(standing: Standing, index: int) -> str:
    """The proof under the newest cosigned checkpoint that covers the leaf, else under the newest of all."""
    for name in ("cosigned", "checkpoint"):
        found = standing.read(name)
        note = "" if found is None else found.decode()
        size = int(note.split("\n")[1]) if note else 0
        if index < size:
            path = [b64encode(digest).decode() for digest in inclusion(index, size, tile_node(standing.read, size))]
            return "\n".join([PROOF_HEADER, f"index {index}", *path, "", note])
    message = f"the checkpoint that is shown does not cover leaf {index}"
    raise TallyError(code="internal", message=message)


def _told(standing: Standing) -> Fields:
    told = standing._asdict()
    del told["read"]
    return told


ORDERS: Final[Mapping[str, Order]] = {
    "beat": beat,
    "find": find,
    "prove": prove,
    "rotate-key": rotate_key,
    "status": status,
}
