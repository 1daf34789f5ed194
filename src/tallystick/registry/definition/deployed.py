"""What was deployed at a time, and what changed since: answered from the leaves of the record alone. Pure.

Leaves of kind `registry` come as parsed objects, in the order of their log. Each tells the digest of the document that
an object has from then on, its state, and of a pin the digest of each tool's definition, in one leaf or several parts.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tallystick.registry.definition.diff import diff
from tallystick.registry.definition.model import Definition, Finding, Item
from tallystick.registry.definition.plain import list_of, object_of, text_of
from tallystick.registry.definition.read import of_document


@dataclass(frozen=True, slots=True)
class Deployed:
    """One object as the record last told of it: `name` such as `server/risk`, `digest` of its document.

    `state` is empty for what has no lifecycle. `tools` are digests of a pin's definitions, `quarantined` what of them
    is held back ("*": everything). `since` is when it came to be so, in `revision`.
    """

    name: str
    digest: str
    state: str
    since: str
    revision: int
    tools: Mapping[str, str] = field(default_factory=dict[str, str])
    quarantined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One change as the record tells it: who did what to which object, and the object before and after.

    None before: new; None after: removed.
    """

    at: str
    revision: int
    name: str
    action: str
    by: str
    why: str
    before: Deployed | None
    after: Deployed | None


def deployed(leaves: Iterable[Mapping[str, object]], until: str) -> Mapping[str, Deployed]:
    """Return every object that there was at `until`, by name.

    `until` is a day (2026-11-21: at its end, UTC) or an RFC 3339 time. Raises ValueError for anything else.
    """
    end = _moment(until, is_end=True)
    known: dict[str, Deployed] = {}
    for told in _changes(leaf for leaf in leaves if _moment(text_of(leaf.get("ts"))) <= end):
        if told.after is None:
            known.pop(told.name, None)
        else:
            known[told.name] = told.after
    return dict(sorted(known.items()))


def changes_since(leaves: Iterable[Mapping[str, object]], since: str, name: str = "") -> tuple[Told, ...]:
    """Return what changed after `since` (a day: from its beginning), of a server with its pin, or of everything.

    Raises ValueError for what is neither a day nor an RFC 3339 time.
    """
    start = _moment(since)
    names = {f"server/{name}", f"pin/{name}"}
    return tuple([told for told in _changes(leaves) if _moment(told.at) >= start and (not name or told.name in names)])


def explain(told: Told, before: Mapping[str, object] | None, after: Mapping[str, object]) -> tuple[Finding, ...] | str:
    """Return the difference between two pin documents, if they are the ones that the record tells of; else why not.

    The record holds digests only; the text comes from the history of control state, and counts only if it fits them.
    """
    old, new = of_document(before or {}), of_document(after)
    for what, document, leaf in (("before", old, told.before), ("after", new, told.after)):
        if leaf is not None and _digests(document) != dict(leaf.tools):
            return f"the definitions {what} revision {told.revision} are not those that the record tells of"
    return diff(old, new)


def _digests(document: Definition) -> dict[str, str]:
    items: Mapping[str, Item] = document.newest.tools or {}
    return {name: str(item.digest) for name, item in items.items() if not item.flaw}


def _changes(leaves: Iterable[Mapping[str, object]]) -> Iterator[Told]:
    known: dict[str, Deployed] = {}
    for leaf in _whole(leaves):
        name, digest = text_of(leaf.get("object")), text_of(leaf.get("digest"))
        before = known.get(name)
        after = None if leaf.get("action") == "delete" else _deployed(leaf, name, digest, before)
        if after is None:
            known.pop(name, None)
        else:
            known[name] = after
        caller = object_of(leaf.get("caller"))
        yield Told(
            text_of(leaf.get("ts")),
            _revision(leaf),
            name,
            text_of(leaf.get("action")),
            text_of(leaf.get("operator")) or text_of(caller.get("subject")) or text_of(caller.get("sub")),
            text_of(leaf.get("why")),
            before,
            after,
        )


def _deployed(leaf: Mapping[str, object], name: str, digest: str, before: Deployed | None) -> Deployed:
    entries = [object_of(entry) for entry in list_of(leaf.get("definitions"))]
    return Deployed(
        name,
        digest or (before.digest if before is not None else ""),
        text_of(leaf.get("state")) or (before.state if before is not None else ""),
        text_of(leaf.get("ts")),
        _revision(leaf),
        {text_of(entry.get("tool")): text_of(entry.get("digest")) for entry in entries},
        tuple(map(str, list_of(leaf.get("quarantined")))),
    )


def _whole(leaves: Iterable[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    """Yield each change once: copies of a leaf dropped, the parts of a pin joined."""
    seen: set[str] = set()
    parts: dict[tuple[int, str], list[object]] = {}
    for leaf in leaves:
        name, leaf_id = text_of(leaf.get("object")), text_of(leaf.get("id"))
        if leaf.get("kind") != "registry" or not name or leaf_id in seen:
            continue
        seen.add(leaf_id)
        of = leaf.get("parts")
        if not isinstance(of, int) or of <= 1:
            yield leaf
            continue
        # A relay that was interrupted goes on where it stopped, so the parts come in order, if not in one go.
        joined = parts.setdefault((_revision(leaf), name), [])
        joined.extend(list_of(leaf.get("definitions")))
        if leaf.get("part") == of:
            yield {**leaf, "definitions": joined}


def _revision(leaf: Mapping[str, object]) -> int:
    revision = leaf.get("revision")
    return revision if isinstance(revision, int) else 0


def _moment(text: str, *, is_end: bool = False) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    is_day = len(text) == len("2026-11-21")
    return moment + timedelta(days=1, microseconds=-1) if is_day and is_end else moment
