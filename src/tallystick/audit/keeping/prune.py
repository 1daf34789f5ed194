"""Leaves whose time is over: the bundles of a past year's log go, its hashes stay, and proofs above stay valid.

C2SP tlog-tiles lets a log state a minimum index, below which entries may be gone. Here a log is pruned whole, after
the longest of all retention classes, and never while any hold reaches into its year.
"""

from datetime import UTC, datetime
from pathlib import Path

from tallystick.audit.desk import Desk, Fields
from tallystick.audit.disk import sync_directory, write_durably
from tallystick.audit.index import PLACE
from tallystick.audit.keeping.classes import seconds
from tallystick.audit.keeping.ledger import Ledger
from tallystick.audit.leaf import timestamp
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.audit.offline import size_of
from tallystick.audit.offline.verify import MINIMUM_FILE
from tallystick.audit.tlog.tiles import WIDTH, tile_path
from tallystick.terms import TallyError, TenantId

_MODE = 0o644


def prune(desk: Desk, ledger: Ledger, tenant: TenantId, year: int, operator: str) -> Fields:
    """Remove the entries of the log of `year`; raises TallyError ("denied") while anything speaks against it."""
    directory = desk.state / "audit" / tenant / str(year)
    if year >= desk.standing(tenant).year or not (directory / "checkpoint").exists():
        message = f"not pruned: there is no log of {year} whose year is over"
        raise TallyError(code="denied", message=message)
    ended = datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()
    classes = [*ledger.classes().values(), *(promise.found for promise in ledger.promises())]
    longest = max(classes, key=lambda found: found.years)
    if ended > longest.expiry(desk.now()):
        message = f"not pruned: the log of {year} is kept until {longest.years:g} years after its end ({longest.law})"
        raise TallyError(code="denied", message=message)
    for hold in ledger.holds():
        if hold.since is None or seconds(hold.since) < ended:
            message = f"not pruned: legal hold {hold.name}: {hold.matter}"
            raise TallyError(code="denied", message=message)
    kept = [usage for usage in desk.vault(tenant).usage() if usage.month <= f"{year}-12"]
    if kept:
        message = (
            f"not pruned: payloads of {kept[0].month} ({kept[0].retention}) are still kept; run `tally audit expire`"
        )
        raise TallyError(code="denied", message=message)
    size = size_of(directory)
    fields: dict[str, object] = {
        "action": "expire",
        "basis": f"leaves of {year}: {longest.years:g} years are over",
        "before": timestamp(ended),
        "classes": [],
        "holds_checked": len(ledger.holds()),
        "keys": 0,
        "operator": operator,
        "payloads": 0,
        "ranges": [{"year": year, "first": 0, "last": max(0, size - 1)}],
    }
    index = desk.append(tenant, event(Event("erasure", desk.new_id(), desk.now(), tenant, fields)))
    # INVARIANT: the minimum is stated before anything is gone, so that what is missing is never taken for damage. The
    # leaf comes first of all: repeating this after a crash removes what is left.
    write_durably(directory / MINIMUM_FILE, f"{size}\n".encode(), _MODE)
    sync_directory(directory)
    for number in range(-(-size // WIDTH)):
        _remove(directory / tile_path(None, number))
    # The query index told of those leaves, too. Whoever asks next makes it anew.
    for suffix in ("", "-wal", "-shm"):
        (desk.state / f"{PLACE}{suffix}").unlink(missing_ok=True)
    return {**fields, "leaves": size, "leaf": index}


def _remove(bundle: Path) -> None:
    partial = bundle.with_name(bundle.name + ".p")
    for path in (bundle, *(partial.iterdir() if partial.is_dir() else ())):
        path.unlink(missing_ok=True)
