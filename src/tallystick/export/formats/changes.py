"""OCSF events of everything that is no call: control state, keys, holds, sign-ins, the record itself. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from tallystick.export.formats.calls import find
from tallystick.export.formats.leaf import Entry, Event, Leaf, Masking, masked, read
from tallystick.export.formats.parts import (
    ACCESS,
    ENTITY,
    FINDING,
    LIFECYCLE,
    LOGON,
    PRODUCT,
    SESSION,
    UNKNOWN,
    Draft,
    Said,
    acting,
    actor,
    add,
    endpoint,
    frame,
    milliseconds,
    tool_uri,
    user,
)

_VERBS: Final = {
    "create": (1, "Create"),
    "read": (2, "Read"),
    "reveal": (2, "Read"),
    "update": (3, "Update"),
    "delete": (4, "Delete"),
    "enable": (8, "Enable"),
    "disable": (9, "Disable"),
}
_LATE: Final = 5
"""Seconds by which a heartbeat may be late before that is a finding."""


def opening(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management: a year's log begins where the last one ended."""
    previous = leaf.inner("previous")
    log: Event = {"uid": entry.origin, "name": entry.origin}
    before = {"origin": previous.text("origin"), "root": previous.text("root"), "size": previous.number("size")}
    log["data"] = {"continues": before}
    return _entity(entry, leaf, (1, "Create"), "Transparency log", log)


def config(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management: another control state comes into force."""
    new, old = leaf.text("snapshot"), leaf.inner("previous").text("snapshot")
    draft = _entity(
        entry, leaf, (3, "Update") if old else (1, "Create"), "Configuration", _version("snapshot", old or new)
    )
    if old:
        draft.event["entity_result"] = {**_version("snapshot", new), "type": "Configuration", "type_id": 99}
    add(draft.tally, snapshot=new)
    return draft


def policy(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management: one policy, or what they are all together, changes."""
    if leaf.text("object"):
        return _resource(entry, leaf, "Policy")
    new, old = leaf.text("bundle"), leaf.text("previous")
    draft = _entity(entry, leaf, (3, "Update") if old else (1, "Create"), "Policy", _version("policies", old or new))
    if old:
        draft.event["entity_result"] = {**_version("policies", new), "type": "Policy", "type_id": 5}
    add(draft.tally, snapshot=leaf.text("snapshot"), bundle=new)
    return draft


def registry(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management: a resource of the registry, or the registry as a whole, changes."""
    if leaf.text("object"):
        return _resource(entry, leaf, "Registry")
    snapshot = leaf.text("snapshot")
    lists = {name: leaf.texts(name) for name in ("added", "changed", "removed")}
    entity: Event = {**_version("registry", snapshot), "data": lists}
    draft = _entity(entry, leaf, (3, "Update"), "Registry", entity)
    counts = {f"{name}_count": len(found) for name, found in lists.items()}
    add(draft.tally, snapshot=snapshot, **lists, **counts)
    return draft


def login(entry: Entry, leaf: Leaf) -> Draft:
    """Authentication: Logon."""
    draft = frame(entry, leaf, Said(LOGON, 1, "Logon", f"sign-in: {leaf.text('result')}", *_result(leaf)))
    subject = leaf.text("subject") or UNKNOWN
    draft.event.update({"user": {"uid": subject, "type_id": 1, "type": "User"}, "is_remote": True})
    draft.event.update(
        {"auth_protocol_id": 4, "auth_protocol": "OpenID", "service": {"name": leaf.text("issuer") or UNKNOWN}}
    )
    draft.event["src_endpoint"] = endpoint(leaf.text("client"))
    add(draft.event, status_code=leaf.text("result"), status_detail=", ".join(leaf.texts("reasons")))
    return draft


def token(entry: Entry, leaf: Leaf) -> Draft:
    """Authorize Session: a token for some audiences was issued, exchanged or refused."""
    message = f"{leaf.text('grant')}: {leaf.text('result')}"
    draft = frame(entry, leaf, Said(SESSION, 1, "Assign Privileges", message, *_result(leaf)))
    session: Event = {"issuer": leaf.text("issuer") or UNKNOWN}
    add(session, expiration_time=milliseconds(leaf.text("expires")) or None)
    client, actors = leaf.text("client"), leaf.texts("actors")
    draft.event.update({"user": {"uid": leaf.text("subject") or client or UNKNOWN}, "session": session})
    draft.event.update({"privileges": leaf.texts("audience") or ["none"], "src_endpoint": endpoint(client)})
    who: Event = {"app_name": client or UNKNOWN}
    add(who, app_uid=actors[0] if actors else None)
    draft.event["actor"] = who
    add(draft.event, status_code=leaf.text("result"), status_detail=", ".join(leaf.texts("reasons")))
    add(draft.tally, grant=leaf.text("grant"), actors=actors)
    return draft


def approval(entry: Entry, leaf: Leaf, masking: Masking) -> Draft:
    """User Access Management: a human's answer about one call, and whose call it was, where the reader knows."""
    effect, server, tool = leaf.text("effect"), leaf.text("server"), leaf.text("tool")
    activity = {"granted": (1, "Assign Privileges"), "expired": (2, "Revoke Privileges")}.get(effect, (99, effect))
    message = f"approval of {server}/{tool}: {effect}"
    draft = frame(entry, leaf, Said(ACCESS, *activity, message, ended=effect in {"granted", "used"}))
    asked = _requester(entry, leaf, masking)
    draft.event.update({"actor": actor(leaf), "privileges": [f"tools/call {tool_uri(server, tool)}"]})
    draft.event["user"] = user(asked) if asked.fields else {"uid": UNKNOWN}
    add(draft.event, status_code=effect)
    approver = leaf.inner("caller")
    same = all(asked.text(name) == approver.text(name) for name in ("subject", "issuer"))
    who = ("requester" if same else "other") if asked.fields else None
    add(draft.tally, effect=effect, server=server, tool=tool, definition=leaf.text("definition"))
    add(
        draft.tally,
        policies=leaf.texts("policies"),
        expires=leaf.text("expires"),
        requester_agent=acting(asked),
        approver=who,
    )
    return draft


def admin(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management: whatever an administrator did, named by its first word."""
    action = leaf.text("action")
    activity = _VERBS.get(action.split(" ")[0].split("_")[0].lower(), (99, action or "Other"))
    entity: Event = {"name": leaf.text("object") or UNKNOWN}
    draft = _entity(entry, leaf, activity, "Administered object", entity)
    severity, ended = _result(leaf)
    draft.event.update({"severity_id": severity, "severity": "Informational" if ended else "Low"})
    draft.event.update({"status_id": 1 if ended else 2, "status": "Success" if ended else "Failure"})
    add(draft.event, status_code=leaf.text("result"), status_detail=", ".join(leaf.texts("reasons")))
    add(draft.tally, action=action, **_told(leaf))
    add(draft.event, comment=leaf.text("why"))
    return draft


def heartbeat(entry: Entry, leaf: Leaf) -> Draft:
    """Application Lifecycle, or a Detection Finding where the clock was set or a heartbeat was missing."""
    step, gap = leaf.number("step_ms") or 0, _gap(entry, leaf)
    app: Event = {**PRODUCT, "feature": {"name": "record writer"}}
    if step or gap:
        draft = frame(entry, leaf, Said(FINDING, 1, "Create", _silence(step, gap), 4 if gap else 3))
        title = "The record was silent" if gap else "The clock was set"
        find(draft, "heartbeat-gap" if gap else "clock-step", title, _silence(step, gap))
        add(draft.tally, step_ms=step or None, gap_s=gap or None)
    else:
        activity = (3, "Start") if leaf.fields.get("start") else (99, "Heartbeat")
        activity = (4, "Stop") if leaf.fields.get("stop") else activity
        draft = frame(entry, leaf, Said(LIFECYCLE, *activity, f"the record is kept: {activity[1].lower()}", ended=True))
        draft.event["app"] = app
    add(draft.tally, every_s=leaf.number("every_s"), size=leaf.number("size"), opened=leaf.number("opened"))
    add(draft.tally, start=leaf.fields.get("start"), stop=leaf.fields.get("stop"))
    return draft


def erasure(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management: keys of payloads were destroyed."""
    entity: Event = {"name": "payload keys", "uid": leaf.text("subject") or "retention"}
    entity["data"] = {
        "classes": leaf.texts("classes"),
        "keys": leaf.number("keys"),
        "payloads": leaf.number("payloads"),
    }
    draft = _entity(entry, leaf, (4, "Delete"), "Payload keys", entity)
    add(draft.event, comment=leaf.text("basis"))
    add(draft.tally, action=leaf.text("action"), payloads=leaf.number("payloads"), keys=leaf.number("keys"))
    add(draft.tally, before=leaf.text("before"), holds_checked=leaf.number("holds_checked"))
    return draft


def hold(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management: a legal hold was placed or released."""
    action = leaf.text("action")
    activity = (1, "Create") if action == "placed" else (4, "Delete")
    draft = _entity(entry, leaf, activity, "Legal hold", {"name": leaf.text("hold") or UNKNOWN})
    add(draft.event, comment=leaf.text("matter"))
    add(draft.tally, action=action, subject=leaf.text("subject"), retention=leaf.text("retention"))
    add(draft.tally, since=leaf.text("since"), until=leaf.text("until"))
    return draft


def key(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management: a key of the record was introduced, retired or wrapped anew."""
    action = leaf.text("action")
    activities = {"introduced": (1, "Create"), "retired": (11, "Deactivate"), "rewrapped": (3, "Update")}
    # A verifier key is `name+id+key`: name and id are enough to find it, and the key is in the record.
    names = ["+".join(text.split("+")[:2])[:256] for text in leaf.texts("keys")]
    entity: Event = {"name": leaf.text("purpose") or UNKNOWN}
    add(entity, uid=names[0] if names else None, data={"keys": names})
    draft = _entity(entry, leaf, activities.get(action, (99, action)), "Key", entity)
    add(draft.tally, action=action, purpose=leaf.text("purpose"), provider=leaf.text("provider"), keys=names)
    return draft


def export(entry: Entry, leaf: Leaf) -> Draft:
    """Entity Management, Read: payloads or records leave in readable form."""
    purpose, records = leaf.text("purpose"), leaf.number("records")
    entity: Event = {"name": purpose or UNKNOWN}
    add(entity, uid=leaf.text("call") or leaf.text("subject"), version=leaf.text("digest"))
    draft = _entity(entry, leaf, (2, "Read"), "Record content", entity)
    add(draft.event, comment=leaf.text("why"))
    add(draft.tally, purpose=purpose, records=records, subject=leaf.text("subject"), field=leaf.text("field"))
    return draft


def breakglass(entry: Entry, leaf: Leaf) -> Draft:
    """Detection Finding, critical: somebody goes around a control."""
    scope = leaf.text("scope")
    draft = frame(entry, leaf, Said(FINDING, 1, "Create", f"break glass: {scope}", 5))
    find(draft, "breakglass", "A control is gone around in an emergency", leaf.text("why") or UNKNOWN)
    add(draft.event, evidences=[{"actor": actor(leaf)}], actor=actor(leaf))
    add(draft.tally, scope=scope, until=leaf.text("until"))
    return draft


CHANGES: Final[Mapping[str, Callable[[Entry, Leaf], Draft]]] = {
    "open": opening,
    "config": config,
    "policy": policy,
    "registry": registry,
    "login": login,
    "token": token,
    "admin": admin,
    "heartbeat": heartbeat,
    "erasure": erasure,
    "hold": hold,
    "key": key,
    "export": export,
    "breakglass": breakglass,
}


def _entity(entry: Entry, leaf: Leaf, activity: tuple[int, str], what: str, entity: Event) -> Draft:
    message = f"{what}: {activity[1].lower()}"
    draft = frame(entry, leaf, Said(ENTITY, *activity, message, ended=True))
    kind = {"Policy": 5}.get(what, 99)
    draft.event["entity"] = {**entity, "type": what, "type_id": kind}
    draft.event["actor"] = actor(leaf)
    return draft


_LISTED: Final = {"create": "added", "update": "changed", "delete": "removed"}
"""What happened to a resource, as the lists of a whole registry's change say it."""


def _resource(entry: Entry, leaf: Leaf, what: str) -> Draft:
    """One resource of control state: created, changed, removed, or moved in its lifecycle."""
    action, name = leaf.text("action"), leaf.text("object")
    activity = _VERBS.get(action, (99, action.capitalize() or "Other"))
    lists = {listed: leaf.texts(listed) for listed in _LISTED.values()}
    if action in _LISTED:
        lists[_LISTED[action]] = [*lists[_LISTED[action]], name]
    entity: Event = {"name": name, "uid": name, "data": _told(leaf)}
    add(entity, version=leaf.text("digest"))
    draft = _entity(entry, leaf, activity, what, entity)
    add(draft.event, comment=leaf.text("why"))
    counts = {f"{listed}_count": len(found) for listed, found in lists.items()}
    whole = {name: leaf.text(name) for name in ("snapshot", "bundle", "previous")}
    add(draft.tally, action=action, **whole, **lists, **counts, **_told(leaf))
    return draft


def _told(leaf: Leaf) -> Event:
    """What a change of control state says of its resource, as far as it says it."""
    told: Event = {}
    for name in ("object", "digest", "before", "state", "was", "comment", "definition"):
        add(told, **{name: leaf.text(name)})
    for name in ("revision", "part", "parts"):
        add(told, **{name: leaf.number(name)})
    pinned = [f"{each.text('tool')} {each.text('digest')}" for each in leaf.inners("definitions")]
    add(told, definitions=pinned, quarantined=leaf.texts("quarantined"))
    return told


def _version(name: str, digest: str) -> Event:
    return {"name": name, "uid": digest or UNKNOWN, "version": digest or UNKNOWN}


def _result(leaf: Leaf) -> tuple[int, bool]:
    ended = leaf.text("result") == "success"
    return 1 if ended else 2, ended


def _requester(entry: Entry, leaf: Leaf, masking: Masking) -> Leaf:
    call = read(entry.about) if entry.about is not None else None
    if call is None or call.text("id") != leaf.text("call"):
        return Leaf({})
    return masked(call, masking).inner("caller")


def _gap(entry: Entry, leaf: Leaf) -> int:
    """Seconds since the heartbeat before, where that is longer than it promised; 0 otherwise or after a proper stop."""
    before = read(entry.about) if entry.about is not None else None
    if before is None or before.text("kind") != "heartbeat" or before.fields.get("stop"):
        return 0
    seconds = (milliseconds(leaf.text("ts")) - milliseconds(before.text("ts"))) // 1000
    return seconds if seconds > (before.number("every_s") or 0) + _LATE else 0


def _silence(step: int, gap: int) -> str:
    told = [f"no heartbeat for {gap} s"] if gap else []
    return ", ".join([*told, *([f"clock set by {step} ms"] if step else [])])
