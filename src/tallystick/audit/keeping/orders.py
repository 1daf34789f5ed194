"""Orders about keeping and forgetting, as the writer's clerk carries them out."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tallystick.audit.desk import Desk, Fields, Order, number_of, tenant_of, text_of
from tallystick.audit.keeping.access import subject_access
from tallystick.audit.keeping.classes import changes, classes_of, effective, seconds
from tallystick.audit.keeping.cost import report
from tallystick.audit.keeping.erase import erase, expire, finish
from tallystick.audit.keeping.holds import record_hold, recorded_holds
from tallystick.audit.keeping.judge import Hold
from tallystick.audit.keeping.ledger import Ledger
from tallystick.audit.keeping.prune import prune
from tallystick.audit.leaf import subject_ref, timestamp
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.terms import TallyError, TenantId

_HEX: Final = 64
_DAY_S: Final = 86_400
_WHOLE: Final = 512
"""Characters of a text that a leaf takes whole."""


@contextmanager
def _ledger(desk: Desk, tenant: TenantId) -> Generator[Ledger]:
    desk.standing(tenant)  # raises where the tenant has no log: nothing is made for a name that was mistyped
    ledger = Ledger(_path(desk, tenant))
    try:
        if ledger.is_new:
            # INVARIANT: a ledger that was lost frees nothing: the record tells which holds are in force.
            ledger.recall(recorded_holds(desk, tenant))
        finish(desk, ledger, tenant)
        yield ledger
    finally:
        ledger.close()


def _path(desk: Desk, tenant: TenantId) -> Path:
    return desk.state / "keeping" / f"{tenant}.sqlite"


def resume(desk: Desk) -> None:
    """Finish what the last process began and did not end, before it is asked for anything. Raises TallyError."""
    for tenant in desk.tenants():
        if _path(desk, tenant).exists():
            with _ledger(desk, tenant):
                pass


def _subject(desk: Desk, tenant: TenantId, fields: Fields) -> dict[str, object]:
    """Return the order with the subject as its reference; a name is never kept."""
    said = fields.get("subject")
    if not isinstance(said, str) or not said:
        return {name: value for name, value in fields.items() if name != "subject"}
    is_ref = len(said) == _HEX and not said.strip("0123456789abcdef")
    return {**fields, "subject": said if is_ref else subject_ref(desk.commitment_key, tenant, said)}


def configure(desk: Desk, fields: Fields) -> Fields:
    """`retention-classes`: replace the configured classes of a tenant; a change gets an `admin` leaf."""
    tenant, operator = tenant_of(fields), text_of(fields, "operator")
    classes = classes_of(fields.get("classes"))
    with _ledger(desk, tenant) as ledger:
        changed = changes(ledger.classes(), effective(classes))
        # INVARIANT: no change is in force before it is on record. After a crash in between it is told once more.
        for change in changed:
            said = {"action": "retention class", "object": change, "result": "success", "operator": operator}
            desk.append(tenant, event(Event("admin", desk.new_id(), desk.now(), tenant, said)))
        if changed:
            ledger.configure(classes, timestamp(desk.now()))
    return {"changed": bool(changed)}


def keeping(desk: Desk, fields: Fields) -> Fields:
    """`keeping`: tell the classes and holds in force."""
    with _ledger(desk, tenant_of(fields)) as ledger:
        return {
            "classes": [found.to_json() for found in ledger.classes().values()],
            "holds": [hold.to_json() for hold in ledger.holds()],
        }


def place(desk: Desk, fields: Fields) -> Fields:
    """`hold`: put a legal hold in force. It is in force before its leaf is written."""
    tenant = tenant_of(fields)
    asked = _subject(desk, tenant, fields)
    texts = {name: str(asked[name]) for name in ("subject", "retention") if asked.get(name)}
    times = {name: timestamp(seconds(str(asked[name]))) for name in ("since", "until") if asked.get(name)}
    hold = Hold(_short(asked, "hold"), _short(asked, "matter"), timestamp(desk.now()), **texts, **times)
    operator = text_of(asked, "operator")
    if hold.since is not None and hold.until is not None and hold.since >= hold.until:
        message = "a hold whose times end before they begin holds nothing"
        raise TallyError(code="invalid", message=message)
    with _ledger(desk, tenant) as ledger:
        known = {*ledger.classes(), *(usage.retention for usage in desk.vault(tenant).usage())}
        if hold.retention is not None and hold.retention not in known:
            message = (
                f"there is no retention class {hold.retention!r}, so this would hold nothing; "
                f"known: {', '.join(sorted(known))}"
            )
            raise TallyError(code="invalid", message=message)
        if not ledger.place(hold):
            message = f"there is a hold {hold.name!r} already; choose another name, or release that one"
            raise TallyError(code="conflict", message=message)
        index = record_hold(desk, tenant, hold, "placed", operator)
        ledger.recorded(hold.name)
    return {**hold.to_json(), "leaf": index}


def _short(fields: Fields, name: str) -> str:
    """A text that its leaf tells whole, since a lost ledger is made anew out of the leaves."""
    text = text_of(fields, name)
    if len(text) > _WHOLE:
        message = f"{name} has {len(text)} characters; at most {_WHOLE} fit into its leaf"
        raise TallyError(code="invalid", message=message)
    return text


def release(desk: Desk, fields: Fields) -> Fields:
    """`release`: put a legal hold out of force. Its leaf is written first."""
    tenant, name, operator = tenant_of(fields), text_of(fields, "hold"), text_of(fields, "operator")
    with _ledger(desk, tenant) as ledger:
        found = next((hold for hold in ledger.holds() if hold.name == name), None)
        if found is None:
            names = ", ".join(hold.name for hold in ledger.holds()) or "none"
            message = f"there is no hold {name!r}; in force: {names}"
            raise TallyError(code="not_found", message=message)
        index = record_hold(desk, tenant, found, "released", operator)
        ledger.release(name)
    return {**found.to_json(), "leaf": index}


def erase_subject(desk: Desk, fields: Fields) -> Fields:
    """`erase`: destroy the keys of a subject's payloads."""
    tenant = tenant_of(fields)
    asked = _subject(desk, tenant, fields)
    for name in ("subject", "basis", "operator"):
        text_of(asked, name)
    with _ledger(desk, tenant) as ledger:
        return erase(desk, ledger, tenant, asked)


def expire_classes(desk: Desk, fields: Fields) -> Fields:
    """`expire`: remove payloads whose retention is over."""
    tenant, operator = tenant_of(fields), text_of(fields, "operator")
    with _ledger(desk, tenant) as ledger:
        return expire(desk, ledger, tenant, operator)


def access(desk: Desk, fields: Fields) -> Fields:
    """`subject-access`: write everything that is kept of a person to a file."""
    tenant = tenant_of(fields)
    asked = _subject(desk, tenant, fields)
    for name in ("subject", "why", "operator", "file"):
        text_of(asked, name)
    desk.standing(tenant)
    return subject_access(desk, tenant, asked)


def cost(desk: Desk, fields: Fields) -> Fields:
    """`cost`: tell what the record takes and will take."""
    tenant = tenant_of(fields)
    with _ledger(desk, tenant) as ledger:
        return report(desk, tenant, ledger.classes())


def tier(desk: Desk, fields: Fields) -> Fields:
    """`tier`: move payloads of months that ended `days` ago to a cheaper `directory`, where they stay readable."""
    tenant, directory = tenant_of(fields), Path(text_of(fields, "directory"))
    if not directory.is_absolute() or not directory.is_dir():
        message = f"{directory} is no directory; name one that exists, with its whole path"
        raise TallyError(code="invalid", message=message)
    if directory.resolve().is_relative_to(desk.state.resolve()):
        # A move onto itself would leave nothing.
        message = f"{directory} is in the state directory; name one on another disk"
        raise TallyError(code="invalid", message=message)
    desk.standing(tenant)
    moved = desk.vault(tenant).tier(desk.now() - number_of(fields, "days") * _DAY_S, str(directory))
    return {"directory": str(directory), "payloads": moved.records, "stored_bytes": moved.stored_bytes}


def prune_log(desk: Desk, fields: Fields) -> Fields:
    """`prune`: remove the entries of a past year's log whose retention is over."""
    tenant, year, operator = tenant_of(fields), number_of(fields, "year"), text_of(fields, "operator")
    with _ledger(desk, tenant) as ledger:
        return prune(desk, ledger, tenant, year, operator)


ORDERS: Final[Mapping[str, Order]] = {
    "retention-classes": configure,
    "keeping": keeping,
    "hold": place,
    "release": release,
    "erase": erase_subject,
    "expire": expire_classes,
    "subject-access": access,
    "cost": cost,
    "tier": tier,
    "prune": prune_log,
}
