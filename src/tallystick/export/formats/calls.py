"""OCSF events of calls: API Activity 6003, and Detection Finding 2004 for a call left in doubt. Pure."""

from typing import Final

from tallystick.export.formats.leaf import Entry, Leaf, Masking, at, is_object, masked, read
from tallystick.export.formats.parts import (
    API,
    FINDING,
    UNKNOWN,
    Draft,
    Said,
    actor,
    add,
    endpoint,
    frame,
    resources,
    user,
)

_ACTIVITIES: Final = {
    "create": (1, "Create"),
    "read": (2, "Read"),
    "write": (3, "Update"),
    "delete": (4, "Delete"),
}
_RISKS: Final = {"low": (1, "Low"), "medium": (2, "Medium"), "high": (3, "High"), "critical": (4, "Critical")}
_READING: Final = ("/list", "/read", "/get")
"""Ends of the MCP methods that cannot change anything."""


def joined(leaf: Leaf, entry: Entry, masking: Masking) -> Leaf:
    """The leaf together with the one that it closes: what the later one says holds."""
    about = read(entry.about) if entry.about is not None else None
    # INVARIANT: leaves are joined by the id that they share; another call's caller never gets into this event.
    if about is None or not leaf.text("id") or about.text("id") != leaf.text("id"):
        return leaf
    return Leaf({**masked(about, masking).fields, **leaf.fields})


def outcome(entry: Entry, leaf: Leaf, masking: Masking) -> Draft:
    """API Activity: what was called, by whom, why it was allowed, and how it ended."""
    call, status = joined(leaf, entry, masking), leaf.text("status")
    activity, name = _activity(call)
    ended = status == "success"
    said = Said(API, activity, name, f"{_aim(call)}: {status}", 1 if ended else 2, ended)
    draft = _call(entry, call, said, allowed=True)
    add(draft.event, status_code=status, status_detail=", ".join(leaf.texts("reasons")))
    elapsed = (leaf.number("elapsed_us") or 0) // 1000
    add(draft.event, duration=elapsed, start_time=_time(draft) - elapsed, end_time=_time(draft))
    return draft


def denial(entry: Entry, leaf: Leaf) -> Draft:
    """API Activity that was blocked."""
    refusal = leaf.inner("refusal")
    activity, name = _activity(leaf)
    reasons = ", ".join(refusal.texts("reasons"))
    severity = 3 if refusal.text("code") == "denied" else 2
    said = Said(API, activity, name, f"{_aim(leaf)}: refused ({reasons})", severity, ended=False)
    draft = _call(entry, leaf, said, allowed=False)
    add(draft.event, status_code=refusal.text("code"), status_detail=reasons, count=leaf.number("requests") or 1)
    return draft


def in_doubt(entry: Entry, leaf: Leaf, masking: Masking) -> Draft:
    """Detection Finding: a call was forwarded, and nobody knows whether it took effect."""
    call = joined(leaf, entry, masking)
    draft = frame(entry, leaf, Said(FINDING, 1, "Create", f"{_aim(call)}: nobody knows how it ended", 4))
    find(
        draft, "in-doubt", "A call whose end nobody knows", "It may have taken effect: ask the server, then compensate."
    )
    add(draft.event, resources=resources(call), evidences=[_evidence(call)])
    _tell(draft, call)
    return draft


def find(draft: Draft, analytic: str, title: str, description: str) -> None:
    """Make an event a finding: new, alertable, with the rule that found it."""
    time = _time(draft)
    found = {
        "uid": at(draft.event, "metadata.uid"),
        "title": title,
        "desc": description,
        "created_time": time,
        "analytic": {"uid": f"tallystick.{analytic}", "name": analytic, "type": "Rule", "type_id": 1},
    }
    add(draft.event, finding_info=found, status_id=1, status="New", is_alert=True)


def _call(entry: Entry, call: Leaf, said: Said, *, allowed: bool) -> Draft:
    draft = frame(entry, call, said)
    client, server = call.inner("caller").text("client"), call.text("server")
    api: dict[str, object] = {"operation": call.text("method") or UNKNOWN, "request": {"uid": call.text("id")}}
    add(api, version=call.text("era"), service={"name": server, "uid": server} if server else None)
    code = call.number("rpc_code")
    add(api, response={"code": code} if code is not None else None)
    draft.event.update({"actor": actor(call), "api": api, "src_endpoint": endpoint(client)})
    add(draft.event, dst_endpoint=endpoint(server) if server else None, resources=resources(call))
    word = "Allowed" if allowed else "Denied"
    draft.event.update({"action_id": 1 if allowed else 2, "action": word})
    draft.event.update({"disposition_id": 1 if allowed else 2, "disposition": "Allowed" if allowed else "Blocked"})
    _decided(draft, call)
    _profiled(draft, call)
    _tell(draft, call)
    return draft


def _decided(draft: Draft, call: Leaf) -> None:
    """Policies that decided; `policy` is the first of them."""
    decision = call.inner("decision")
    bundle = decision.text("bundle")
    policies: list[dict[str, object]] = []
    for uid in decision.texts("policies") or call.inner("refusal").texts("policies"):
        policy: dict[str, object] = {"uid": uid, "name": uid, "is_applied": True}
        add(policy, version=bundle)
        policies.append(policy)
    effect = decision.text("effect")
    if policies:
        draft.event["policy"] = policies[0]
        add(draft.event, authorizations=[{"decision": effect or "deny", "policy": policy} for policy in policies])
    if found := _RISKS.get(call.text("risk")):
        add(draft.event, risk_level_id=found[0], risk_level=found[1])
    add(draft.tally, bundle=bundle, decision_reasons=decision.texts("reasons"))


def _profiled(draft: Draft, call: Leaf) -> None:
    """Parts of the profiles `trace` and `ai_operation`, where the client told them."""
    profiles = ["host", "security_control"]
    if trace := call.text("trace"):
        draft.event["trace"] = {"uid": trace}
        profiles.append("trace")
    if model := call.text("model"):
        draft.event["ai_model"] = {"ai_provider": UNKNOWN, "name": model}
        profiles.append("ai_operation")
    metadata = draft.event["metadata"]
    if is_object(metadata):
        metadata["profiles"] = profiles


def _tell(draft: Draft, call: Leaf) -> None:
    # Of a context only who said what kind of thing is told; commitments mean nothing without the record.
    add(
        draft.tally,
        route=call.text("route"),
        server=call.text("server"),
        tool=call.text("tool"),
        method=call.text("method"),
        operation=call.text("operation"),
        definition=call.text("definition"),
        snapshot=call.text("snapshot"),
        caller_kind=call.inner("caller").text("kind"),
        actors=call.inner("caller").texts("actors"),
        workload=call.inner("caller").text("workload"),
        request_bytes=call.number("request_bytes"),
        result_bytes=call.number("result_bytes"),
        requests=call.number("requests"),
        intent=call.number("intent"),
        approval=call.text("approval"),
        compensates=call.text("compensates"),
        prompt_set=call.text("prompt_set"),
        context=[f"{part.text('of')}:{part.text('source')}" for part in call.inners("context")],
        retention=call.text("retention"),
        kept=call.texts("kept"),
        unkept=call.texts("unkept"),
        subject=call.text("subject"),
    )


def _evidence(call: Leaf) -> dict[str, object]:
    found: dict[str, object] = {"actor": actor(call), "src_endpoint": endpoint(call.inner("caller").text("client"))}
    if call.inner("caller").fields:
        found["user"] = user(call.inner("caller"))
    return found


def _activity(call: Leaf) -> tuple[int, str]:
    method = call.text("method")
    if method.endswith(_READING):
        return _ACTIVITIES["read"]
    return _ACTIVITIES.get(call.text("operation"), (99, method or UNKNOWN))


def _aim(call: Leaf) -> str:
    target = "/".join(part for part in (call.text("server") or call.text("route"), call.text("tool")) if part)
    return f"{call.text('method') or 'request'} {target}".rstrip()


def _time(draft: Draft) -> int:
    time = draft.event["time"]
    return time if isinstance(time, int) else 0
