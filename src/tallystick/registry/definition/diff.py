"""The semantic difference between what was pinned and what a server says now, for whoever has to approve it or not.

Pure. It explains; what is quarantined is decided by digest alone (`compare`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tallystick.registry.definition.changes import Change, Direction, compare_schemas, compare_words
from tallystick.registry.definition.compare import expected, same
from tallystick.registry.definition.model import SEVERITIES, Definition, Finding, Item, Part, Said, Severity
from tallystick.registry.definition.plain import list_of, object_of, text_of
from tallystick.registry.definition.read import PARTS
from tallystick.registry.definition.signs import (
    Sign,
    find_letters,
    find_lookalikes,
    find_name,
    find_phrases,
    find_references,
)
from tallystick.terms import ServerId

Others = Mapping[ServerId, Iterable[str]]
"""Other servers and the names of their tools."""

NOBODY: Final[Others] = {}
_TEXTS: Final = ("title", "description")
_SCHEMAS: Final = ("inputSchema", "outputSchema")
_SCHEMA_CODES: Final[Mapping[Direction, tuple[str, Severity]]] = {
    "wider": ("schema_wider", "medium"),
    "narrower": ("schema_narrower", "low"),
    "breaking": ("schema_breaking", "high"),
    "unclear": ("schema_changed", "medium"),
}
_SAFER: Final[Mapping[str, bool]] = {
    "readOnlyHint": True,
    "destructiveHint": False,
    "idempotentHint": True,
    "openWorldHint": False,
}
"""What each annotation says of a harmless tool (MCP 2026-07-28, schema: ToolAnnotations)."""
_ONE: Final[Mapping[Part, str]] = {"tools": "tool", "prompts": "prompt", "resource_templates": "template"}


def diff(pinned: Definition, observed: Definition, others: Others = NOBODY) -> tuple[Finding, ...]:
    """Return every difference and every sign in what is new or changed, the most severe first.

    Each version that was observed is compared with what was pinned for it; what the newest one shows already is told
    once. A list that was never pinned is said to be so.
    """
    found: dict[tuple[str, str, str], Finding] = {}
    for version, said in observed.eras.items():
        before = expected(pinned, version)
        if before is None:
            continue
        for finding in _compare(before, said, others):
            found.setdefault((finding.code, finding.place, finding.text), finding)
    return _sorted(found.values())


def inspect(observed: Definition, others: Others = NOBODY) -> tuple[Finding, ...]:
    """Return every sign in a definition that was never approved, the most severe first."""
    said = observed.newest
    found = list(_signs_in("instructions", said.instructions or "", others, frozenset()))
    for part in PARTS:
        items = said.items(part) or {}
        found.extend(finding for item in items.values() for finding in _signs(part, item, items, others))
        found.extend(_lookalikes(part, items, items, others))
    return _sorted(found)


def _sorted(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda finding: -SEVERITIES.index(finding.severity)))


def _compare(pinned: Said, observed: Said, others: Others) -> Iterator[Finding]:
    if pinned.introduced and observed.introduced and pinned.instructions != observed.instructions:
        before, after = pinned.instructions or "", observed.instructions or ""
        words = compare_words(before, after)
        yield Finding("instructions_changed", "high", "instructions", f"They say: {words}", before, after)
        yield from _signs_in("instructions", after, others, frozenset())
    for part in PARTS:
        old, new = pinned.items(part), observed.items(part)
        if old is not None and new is not None:
            yield from _compare_items(part, old, new, others)
        elif new:
            yield Finding(f"{_ONE[part]}s_never_pinned", "low", part, "Was never pinned, so nothing is compared.")


def _compare_items(part: Part, old: Mapping[str, Item], new: Mapping[str, Item], others: Others) -> Iterator[Finding]:
    one = _ONE[part]
    fresh: dict[str, Item] = {}
    for name, item in new.items():
        place = f"{part}/{name}"
        if name not in old:
            fresh[name] = item
            text = f"A new {one}. It is hidden until it is pinned."
            yield Finding(f"{one}_added", "medium", place, text, None, dict(item.definition))
        elif same(old[name], item):
            continue
        else:
            yield from _changed(part, old[name], item)
        yield from _signs(part, item, new, others)
    for name, item in old.items():
        if name not in new:
            gone = f"The {one} is not listed any more, or not to this caller."
            yield Finding(f"{one}_gone", "low", f"{part}/{name}", gone, dict(item.definition), None)
    yield from _lookalikes(part, fresh, new, others)


def _changed(part: Part, before: Item, after: Item) -> Iterator[Finding]:
    place = f"{part}/{after.name}"
    if after.flaw:
        yield Finding("definition_flawed", "critical", place, f"The definition {after.flaw}.")
        return
    old, new = before.definition, after.definition
    for member in _TEXTS:
        said, says = text_of(old.get(member)), text_of(new.get(member))
        if said != says:
            words = compare_words(said, says)
            yield Finding(f"{member}_changed", "high", f"{place}/{member}", f"It says: {words}", said, says)
    for member in _SCHEMAS:
        yield from _schemas(
            f"{place}/{member}", old.get(member), new.get(member), was=member in old, is_now=member in new
        )
    yield from _annotations(
        f"{place}/annotations", object_of(old.get("annotations")), object_of(new.get("annotations"))
    )
    for member in ("arguments", "name", "mimeType"):
        if old.get(member) != new.get(member):
            text = f"`{member}` changed."
            yield Finding(f"{_ONE[part]}_changed", "high", f"{place}/{member}", text, old.get(member), new.get(member))


def _schemas(place: str, before: object, after: object, *, was: bool, is_now: bool) -> Iterator[Finding]:
    if was != is_now:
        text = "The schema is new." if is_now else "The schema is gone."
        yield Finding("schema_changed", "medium", place, text, before, after)
        return
    for change in compare_schemas(before, after):
        yield _of_schema(place, change)


def _of_schema(place: str, change: Change) -> Finding:
    code, severity = ("schema_text_changed", "high") if change.is_text else _SCHEMA_CODES[change.direction]
    where = f"{place}/{change.place}" if change.place else place
    return Finding(code, severity, where, f"{change.text[:1].upper()}{change.text[1:]}.", change.before, change.after)


def _annotations(place: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Finding]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        claims_less = name in _SAFER and new is _SAFER[name]
        text = f"`{name}` was {old!r}, is {new!r}"
        more = ": the server now says that the tool is less dangerous." if claims_less else "."
        yield Finding(
            "annotation_changed", "high" if claims_less else "medium", f"{place}/{name}", text + more, old, new
        )


def _lookalikes(part: Part, fresh: Mapping[str, Item], own: Mapping[str, Item], others: Others) -> Iterator[Finding]:
    if part == "tools":
        for name, sign in find_lookalikes(fresh, own, others):
            yield _told(f"{part}/{name}/name", sign)


def _signs(part: Part, item: Item, own: Mapping[str, Item], others: Others) -> Iterator[Finding]:
    """Yield the signs in everything of one entry that a model reads."""
    place, mine = f"{part}/{item.name}", frozenset(own)
    if part == "tools":
        for sign in find_name(item.name):
            yield _told(f"{place}/name", sign)
    for where, text in _read(item.definition, place):
        yield from _signs_in(where, text, others, mine)


def _signs_in(place: str, text: str, others: Others, own: frozenset[str]) -> Iterator[Finding]:
    for sign in (*find_letters(text), *find_phrases(text), *find_references(text, others, own)):
        yield _told(place, sign)


def _told(place: str, sign: Sign) -> Finding:
    return Finding(sign.code, sign.severity, place, f"{sign.text[:1].upper()}{sign.text[1:]}.")


_DEPTH: Final = 32


def _read(value: object, place: str, levels: int = _DEPTH) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every text in a definition, names of arguments too: all of it reaches a model."""
    if isinstance(value, str):
        yield place, value
    elif levels == 0:
        return
    elif isinstance(value, Mapping):
        for name, part in object_of(value).items():  # pyright: ignore[reportUnknownArgumentType] - JSON
            where = f"{place}/{name}"
            if not (name.isascii() and name.isprintable()):
                yield where, name
            yield from _read(part, where, levels - 1)
    else:
        for index, part in enumerate(list_of(value)):
            yield from _read(part, f"{place}/{index}", levels - 1)
