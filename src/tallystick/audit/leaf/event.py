"""Leaves of everything that is no call: keys, holds, sign-ins, changes of control state."""

from collections.abc import Mapping

from tallystick.audit.leaf.call import SIZE_LIMIT, canonical, timestamp
from tallystick.audit.leaf.kinds import EVERY_LEAF, KINDS
from tallystick.audit.model import Event
from tallystick.terms import Caller

_BOUNDS = ((512, 64), (96, 8), (96, 2))
"""Characters of a text and items of a list: roomy, and twice tighter where the leaf is still too long. INVARIANT: never
below the 71 characters of a digest, which means nothing once it is cut."""
_KEPT_WHOLE = frozenset({"keys"})
"""Fields whose texts mean nothing once they are cut."""
_EVERY_ITEM = frozenset({"definitions"})
"""Lists that were made to fit: what was approved is told of every tool, however long the rest of the leaf is."""


def event(record: Event) -> bytes:
    """Leaf of an event. Over-long texts and lists are cut with a visible mark; raises ValueError for unknown fields."""
    known = KINDS[record.kind].fields
    fields: dict[str, object] = {**record.fields}
    if "id" in known:
        fields["id"] = record.id
    if record.caller is not None:
        fields["caller"] = _caller(record.caller)
    missing = {name for name, field in known.items() if field.required} - fields.keys()
    if missing or not fields.keys() <= known.keys():
        message = f"a leaf of kind {record.kind}: {sorted(missing | fields.keys() - known.keys())} missing or unknown"
        raise ValueError(message)
    always = {"kind": record.kind, "tenant": record.tenant, "ts": timestamp(record.at), "v": 1}
    for bounds in _BOUNDS:
        leaf = canonical({**_fit(fields, bounds), **always})
        if isinstance(leaf, bytes) and len(leaf) <= SIZE_LIMIT:
            return leaf
    message = f"a leaf of kind {record.kind} has no form of at most {SIZE_LIMIT} bytes"
    raise ValueError(message)


def known_fields(kind: str) -> frozenset[str]:
    """Names of the fields that a leaf of a kind may have; empty for an unknown kind."""
    found = KINDS.get(kind)
    return frozenset() if found is None else frozenset(found.fields) | frozenset(EVERY_LEAF)


def _caller(caller: Caller) -> Mapping[str, object]:
    return {
        "actors": list(caller.actors),
        "client": caller.client,
        "groups": list(caller.groups),
        "issuer": caller.issuer,
        "kind": caller.kind,
        "subject": caller.subject,
    }


def _fit(fields: Mapping[str, object], bounds: tuple[int, int]) -> dict[str, object]:
    every = bounds[0], SIZE_LIMIT
    return {
        name: value if name in _KEPT_WHOLE else _cut(value, every if name in _EVERY_ITEM else bounds)
        for name, value in fields.items()
    }


def _cut(value: object, bounds: tuple[int, int]) -> object:
    match value:
        case str():
            clean = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            most = bounds[0]
            return clean if len(clean) <= most else f"{clean[:most]}\u2026(+{len(clean) - most} characters)"
        case list() | tuple():
            items: list[object] = [*value]
            most = bounds[1]
            kept = [_cut(item, bounds) for item in items[:most]]
            if len(items) > most and all(isinstance(item, str) for item in items):
                kept.append(f"\u2026(+{len(items) - most} entries)")
            return kept
        case dict():
            return {str(name): _cut(item, bounds) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - as above
        case _:
            return value


_KIND = b'"kind":"'


def kind_of(leaf: bytes) -> bytes:
    """Kind of a leaf that is canonical; of any other bytes, maybe another one or none."""
    at = leaf.rfind(_KIND) + len(_KIND)
    return leaf[at : leaf.find(b'"', at)]
