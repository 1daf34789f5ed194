"""What is, and what is wanted, to a plan: nothing is overwritten in silence, and nothing removed unasked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tallystick.control.declare.difference import Difference, differences
from tallystick.control.declare.model import FILED, Item, Plan
from tallystick.control.model import EVERYWHERE, FREE, Change, Key, Put, Remove, Resource
from tallystick.registry import kinds

_ORDER: Final = {kind: number for number, kind in enumerate(kinds.KINDS)}
_DECLARED: Final = "declared"
_SECRET: Final = "(set)"  # noqa: S105 - what is shown instead of a value
_NEW_SECRET: Final = "(a value that is not shown)"  # noqa: S105 - what is shown instead of a value


def plan(
    current: Mapping[Key, Resource],
    wanted: Sequence[Put],
    owner: str,
    *,
    prune: bool = False,
    take_over: bool = False,
) -> Plan:
    """Return what it takes to have `wanted` as `owner` wants it.

    `prune` removes what this owner has and wants no longer; nobody's resources (owner "") are never pruned. With
    `take_over` another owner's resources are changed too. Each change expects the version that was seen here.
    """
    items: list[tuple[Item, Change | None]] = []
    for put in wanted:
        present = current.get(put.key)
        whole = replace(_resolved(put, current), owner=owner, take_over=take_over)
        items.append(_created(whole) if present is None else _compared(present, whole))
    items.extend(_unwanted(current, wanted, owner, prune=prune))
    items.sort(key=lambda pair: (_ORDER[pair[0].key.kind], pair[0].key.name))
    changes = [change for _, change in items if change is not None]
    puts = [change for change in changes if not isinstance(change, Remove)]
    # Nothing is removed before what refers to it.
    removals = [change for change in reversed(changes) if isinstance(change, Remove)]
    return Plan(tuple(item for item, _ in items), (*puts, *removals))


def _resolved(put: Put, current: Mapping[Key, Resource]) -> Put:
    """Give a pin the tenant of its server, where its document did not say it."""
    server = current.get(Key("Server", put.name))
    if put.kind == "Pin" and put.tenant == EVERYWHERE and server is not None:
        return replace(put, tenant=server.tenant)
    return put


def _created(put: Put) -> tuple[Item, Change | None]:
    if put.kind == "Secret" and "value" not in put.spec:
        note = "has no value, and there is none yet: set one"
        return Item("conflict", put.key, put.tenant, note=note), None
    fields = tuple(differences({"metadata": {}, "spec": {}}, _shown(put)))
    return Item("create", put.key, put.tenant, fields), replace(put, expected=0)


def _compared(present: Resource, put: Put) -> tuple[Item, Change | None]:
    put = replace(put, expected=present.version)
    if put.kind == "Secret" and "value" not in put.spec:
        put = replace(put, spec=present.spec)
    fields = tuple(_fields(present, put))
    is_foreign = present.owner not in {FREE, put.owner}
    if is_foreign and put.owner == FREE and all(field.path == "/owner" for field in fields):
        # What is exported is applied again by somebody who claims nothing: it is as it is wanted, whoever has it.
        return Item("unchanged", put.key, put.tenant, note=f"belongs to {present.owner}"), None
    if is_foreign and not put.take_over:
        note = f"belongs to {present.owner}: change it there, or take it over"
        return Item("conflict", put.key, put.tenant, fields, note), None
    moved = _moved(present, put)
    if not fields:
        item = Item("drift", put.key, put.tenant, note=moved) if moved else Item("unchanged", put.key, put.tenant)
        return item, None
    if is_foreign:
        return Item("change", put.key, put.tenant, fields, f"is taken over from {present.owner}"), put
    if present.owner != put.owner and any(field.path != "/owner" for field in fields):
        note = "was changed by somebody else meanwhile, or was there before: it is put as it is declared"
        return Item("drift", put.key, put.tenant, fields, note), put
    return Item("change", put.key, put.tenant, fields, moved), put


def _fields(present: Resource, put: Put) -> Iterator[Difference]:
    """Yield what a change would change, by place in the document."""
    if present.tenant != put.tenant:
        yield Difference("/metadata/tenant", present.tenant or None, put.tenant or None)
    yield from differences(dict(present.labels), dict(put.labels), "/metadata/labels")
    if put.kind == "Secret" and "value" in put.spec:
        yield Difference("/spec/value", _SECRET, _NEW_SECRET)
    elif put.kind != "Secret":
        yield from differences(dict(present.spec), dict(put.spec), "/spec")
    if present.owner != put.owner:
        yield Difference("/owner", present.owner or None, put.owner or None)
    # A state that was declared before, and moved by a step since, is no difference: the step counts.
    if put.state is not None and put.state not in {present.state, present.status.get(_DECLARED)}:
        yield Difference("/spec/state", present.state, put.state)


def _moved(present: Resource, put: Put) -> str:
    """Say that a state is not the declared one, and stays."""
    is_declared = put.state is not None and put.state == present.status.get(_DECLARED) != present.state
    return (
        f"is {present.state}, declared {put.state}: a step moved it, and another moves it back" if is_declared else ""
    )


def _shown(put: Put) -> Mapping[str, object]:
    spec = {"value": _NEW_SECRET} if put.kind == "Secret" else dict(put.spec)
    if put.state is not None and put.state != "approved":
        spec["state"] = put.state
    metadata = {"tenant": put.tenant or None, "labels": dict(put.labels) or None}
    return {"metadata": metadata, "spec": spec}


def _unwanted(
    current: Mapping[Key, Resource], wanted: Sequence[Put], owner: str, *, prune: bool
) -> Iterator[tuple[Item, Change | None]]:
    keys = {put.key for put in wanted}
    for key, resource in current.items():
        if key in keys or owner == FREE or resource.owner != owner:
            continue
        # A pin that an approval made is no file's: it goes with its server.
        if key.kind == "Pin" and FILED not in resource.labels and Key("Server", key.name) in keys:
            continue
        if prune:
            yield Item("remove", key, resource.tenant), Remove(key, owner, resource.version)
        else:
            yield Item("unchanged", key, resource.tenant, note="is declared no longer; pruning removes it"), None
