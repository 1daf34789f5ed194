"""Legal holds and the record: each has its leaves, and can be told from them where the ledger is lost."""

from pathlib import Path
from typing import Final

from tallystick.audit.desk import Desk
from tallystick.audit.index import PLACE, Index, Query
from tallystick.audit.keeping.judge import Hold
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.audit.offline import origin_of, read_fields, read_leaves
from tallystick.terms import TenantId

_PARTS: Final = ("subject", "retention", "since", "until")
_ALL: Final = 2**62


def record_hold(desk: Desk, tenant: TenantId, hold: Hold, action: str, operator: str) -> int:
    """Append the leaf of a hold that was placed or is about to be released."""
    said = hold.to_json()
    fields: dict[str, object] = {"hold": hold.name, "action": action, "matter": hold.matter, "operator": operator}
    fields |= {name: said[name] for name in _PARTS if name in said}
    return desk.append(tenant, event(Event("hold", desk.new_id(), desk.now(), tenant, fields)))


def logs_of(desk: Desk, tenant: TenantId) -> list[Path]:
    """Return the directories of a tenant's logs on this machine, oldest first, with every leaf until now published."""
    standing = desk.standing(tenant)
    if standing.published < standing.size:
        desk.published(tenant, standing.year, standing.size - 1)
    return sorted(path.parent for path in (desk.state / "audit" / tenant).glob("*/checkpoint"))


def open_index(desk: Desk, logs: list[Path]) -> Index:
    """Open the query index, up to date with these logs."""
    index = Index(desk.state / PLACE)
    try:
        index.follow(logs)
    except BaseException:
        index.close()
        raise
    return index


def recorded_holds(desk: Desk, tenant: TenantId) -> list[Hold]:
    """Return the holds that are in force by what the logs say; raises TallyError where they cannot be read."""
    logs = logs_of(desk, tenant)
    index = open_index(desk, logs)
    try:
        found = index.search(Query(kind="hold", tenant=tenant, newest_first=False, limit=_ALL))
    finally:
        index.close()
    places = {origin_of(directory): directory for directory in logs}
    # In the order of the log: times may step back.
    rows = sorted((places[str(one["log"])], int(str(one["index"]))) for one in found if one["log"] in places)
    holds: dict[str, Hold] = {}
    for directory, number in rows:
        [(_, leaf)] = read_leaves(directory, range(number, number + 1))
        said = {name: str(value) for name, value in read_fields(leaf).items()}
        holds.pop(said["hold"], None)
        if said["action"] == "placed":
            parts = {name: said[name] for name in _PARTS if name in said}
            holds[said["hold"]] = Hold(said["hold"], said["matter"], said["ts"], **parts)
    return [*holds.values()]
