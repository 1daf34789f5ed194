"""A change as leaves of the record: who, when, why, and by digest what is there now. Pure.

"What was deployed on day D" is answered from these alone: each names its resource, the digest of its new document, its
state, and for a pin the digest of each tool's definition.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from tallystick import registry
from tallystick.audit import leaf, model
from tallystick.control.change import Candidate, Moment, tenants_of
from tallystick.control.model import EVERYWHERE, REVIEWED, Actor, Changed, Conflict, Key, Kind, Resource, Step
from tallystick.control.render import QUARANTINED, render
from tallystick.snapshot import Document
from tallystick.terms import TenantId

PLATFORM: Final = TenantId("platform")
"""The tenant whose log tells about the installation as a whole."""
_Topic = Literal["registry", "policy", "admin"]
_REGISTRY: Final[frozenset[Kind]] = frozenset({"Server", "Pin", "Toolset", "Grant", "Agent"})
_PART_BYTES: Final = 4096
"""Bytes of definitions in one leaf, which has 8 KiB in all."""
_PART_ITEMS: Final = 48


class Told(NamedTuple):
    """One leaf that is to be appended to a tenant's log. `id` stands in it."""

    id: str
    tenant: TenantId
    topic: str
    leaf: bytes


class Occasion(NamedTuple):
    """Who changes something, when and why; `tenants` are all that there are, before and after."""

    moment: Moment
    actor: Actor
    why: str
    tenants: frozenset[TenantId]
    new_id: Callable[[], str]


def leaves(candidate: Candidate, occasion: Occasion) -> Iterator[Told]:
    """Yield the leaves of a commit, at least one for each changed resource."""
    steps = {taken.step.key: taken.step for taken in candidate.steps}
    for change in candidate.changed:
        topic = _topic(change.key)
        for part in _fields(change, topic, steps.get(change.key)):
            for tenant in sorted(_logs(change, occasion)):
                yield _told(topic, tenant, part, occasion)


def refused(step: Step, conflict: Conflict, before: Resource, occasion: Occasion) -> Told:
    """Leaf of a step that the gates refused."""
    fields: dict[str, object] = {
        "action": "step",
        "object": str(step.key),
        "result": "failure",
        "reasons": list(conflict.unmet),
        "was": before.state,
        "state": step.to,
    }
    tenant = before.tenant if before.tenant != EVERYWHERE else PLATFORM
    return _told("admin", tenant, fields, occasion)


def _told(topic: _Topic, tenant: TenantId, part: Mapping[str, object], occasion: Occasion) -> Told:
    leaf_id = occasion.new_id()
    fields = {**part, **_by(occasion.actor)}
    if occasion.why:
        fields["why"] = occasion.why
    if fields.get("result") != "failure":
        fields["revision"] = occasion.moment.revision
    event = model.Event(topic, leaf_id, occasion.moment.now, tenant, fields)
    return Told(leaf_id, tenant, topic, leaf.event(event))


def _by(actor: Actor) -> dict[str, object]:
    return {"operator": actor.operator or actor.name} if actor.caller is None else {"caller": dict(actor.caller)}


def _topic(key: Key) -> _Topic:
    if key.kind == "Policy":
        return "policy"
    return "registry" if key.kind in _REGISTRY else "admin"


def _logs(change: Changed, occasion: Occasion) -> frozenset[TenantId]:
    """Whose logs tell of a change: those of its tenants; a policy that binds everybody is told to everybody."""
    named = frozenset(TenantId(tenant) for tenant in tenants_of(change))
    if EVERYWHERE not in named:
        return named
    everybody = occasion.tenants if change.key.kind == "Policy" else frozenset[TenantId]()
    return (named - {EVERYWHERE}) | (everybody or {PLATFORM})


def _fields(change: Changed, topic: _Topic, step: Step | None) -> Iterator[dict[str, object]]:
    """Yield the fields of each leaf about a change: one, or several where there are many definitions."""
    fields: dict[str, object] = {"object": str(change.key), "action": _action(change, step)}
    if topic == "admin":
        fields["result"] = "success"
    fields |= _present("digest", digest(change.after)) | _present("before", digest(change.before))
    if change.key.kind in REVIEWED:
        fields |= _present("state", change.after and change.after.state)
        fields |= _present("was", change.before and change.before.state)
    if step is not None:
        fields |= _present("comment", step.comment) | _present("definition", step.definition)
    if change.after is not None and change.key.kind == "Pin":
        fields |= _quarantined(change.after)
    parts = definitions(change.after) if change.key.kind == "Pin" else []
    if not parts:
        yield fields
    for number, part in enumerate(parts, 1):
        yield {**fields, "definitions": part} | ({"part": number, "parts": len(parts)} if len(parts) > 1 else {})


def _present(name: str, content: str | None) -> dict[str, object]:
    return {name: content} if content else {}


def _action(change: Changed, step: Step | None) -> str:
    before, after = change.before, change.after
    if before is None:
        return "create"
    if after is None:
        return "delete"
    if step is not None:
        return "step"
    return "update" if before.version != after.version else "mark"


def digest(resource: Resource | None) -> str | None:
    """Digest of a resource's document; None where it has none."""
    document = render(resource) if resource is not None else None
    return f"sha256:{document.digest}" if isinstance(document, Document) else None


def _quarantined(pin: Resource) -> dict[str, object]:
    found = pin.status.get(QUARANTINED)
    return {"quarantined": sorted(map(str, found))} if isinstance(found, Mapping) else {}  # pyright: ignore[reportUnknownArgumentType] - JSON


def definitions(pin: Resource | None) -> list[list[dict[str, str]]]:
    """Digest of each tool's pinned definition, in pieces that one leaf has room for."""
    if pin is None or not pin.spec:
        return []
    pieces: list[list[dict[str, str]]] = []
    room = 0
    found = registry.definition.of_document({**pin.spec, "server": pin.name}).newest.items("tools") or {}
    for item in found.values():
        size = len(item.name.encode(errors="replace")) + len(item.digest) + 32
        if item.flaw:
            continue
        if not pieces or size > room or len(pieces[-1]) >= _PART_ITEMS:
            pieces.append([])
            room = _PART_BYTES
        pieces[-1].append({"tool": item.name, "digest": item.digest})
        room -= size
    return pieces
