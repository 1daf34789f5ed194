"""A canonical definition from what a pin holds, or from what a server has just answered; and the pin that it makes."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from tallystick import audit
from tallystick.registry.definition.model import NAMED_BY, PINNED, Definition, Item, Part, Said
from tallystick.registry.definition.plain import list_of, object_of, text_of
from tallystick.registry.model import Pin
from tallystick.terms import Digest, Refusal, ServerId

PARTS: Final[tuple[Part, ...]] = ("tools", "prompts", "resource_templates")
_FLAWED: Final = Digest("flawed")
TWICE: Final = "is listed twice: two definitions under one name are how one shadows the other"


def items_of(part: Part, listed: Iterable[object]) -> Mapping[str, Item]:
    """Return the entries of a list by name; what has no name cannot be called and is left out."""
    items: dict[str, Item] = {}
    for entry in listed:
        definition = object_of(entry)
        name = text_of(definition.get(NAMED_BY[part]))
        if name in items:
            items[name] = Item(name, definition, _FLAWED, TWICE)
        elif name:
            items[name] = _item(part, name, definition)
    return items


def _item(part: Part, name: str, definition: Mapping[str, object]) -> Item:
    digest = _digest({key: definition[key] for key in PINNED[part] if key in definition})
    if isinstance(digest, Refusal):
        return Item(name, definition, _FLAWED, f"has no canonical form ({digest.detail or digest.public_text})")
    return Item(name, definition, digest)


def definition_of(server: ServerId, eras: Mapping[str, Said], opened: Mapping[str, Mapping[str, object]]) -> Definition:
    """Return the definition of a server that says `eras`, with the digest of the whole.

    That is SHA-256 over the canonical JSON (RFC 8785) of each version's instructions and entries' digests.
    """
    whole: dict[str, object] = {version: _summary(said) for version, said in eras.items()}
    digest = _digest(whole)
    return Definition(server, eras, opened, _FLAWED if isinstance(digest, Refusal) else digest)


def _summary(said: Said) -> dict[str, object]:
    summary: dict[str, object] = {}
    if said.instructions is not None:
        summary["instructions"] = said.instructions
    for part in PARTS:
        items = said.items(part)
        if items is not None:
            summary[part] = {name: str(item.digest) for name, item in items.items()}
    return summary


def of_document(document: Mapping[str, object]) -> Definition:
    """Return the definition that a pin document holds (`pins/<server>.json`).

    Lists that an older pin does not have were never asked for. Without `variants`, only the newest version's lists are
    known, and of the others what the server said at its opening.
    """
    return of_parts(
        ServerId(text_of(document.get("server"))),
        {version: object_of(said) for version, said in object_of(document.get("eras")).items()},
        {part: list_of(document[part]) for part in PARTS if isinstance(document.get(part), list | tuple)},
        object_of(document["variants"]) if "variants" in document else None,
    )


def of_pin(pin: Pin) -> Definition:
    """Return the definition that a pin of the registry holds."""
    lists: dict[Part, Iterable[object]] = {"tools": pin.tools.values()}
    if pin.prompts is not None:
        lists["prompts"] = pin.prompts.values()
    if pin.resource_templates is not None:
        lists["resource_templates"] = pin.resource_templates.values()
    return of_parts(pin.server, pin.eras, lists, pin.variants)


def of_parts(
    server: ServerId,
    opened: Mapping[str, Mapping[str, object]],
    lists: Mapping[Part, Iterable[object]],
    variants: Mapping[str, object] | None,
) -> Definition:
    """Return the definition of a server from the pieces of its pin."""
    newest = {part: items_of(part, entries) for part, entries in lists.items()}
    eras: dict[str, Said] = {}
    # Versions are dates, so a later text is a later version; a canonical document has its members in another order.
    opened = dict(sorted(opened.items(), reverse=True))
    for index, (version, said) in enumerate(opened.items()):
        known = newest if index == 0 or variants is not None else {}
        other = object_of((variants or {}).get(version))
        known = known | {part: items_of(part, list_of(other[part])) for part in PARTS if part in other}
        instructions = said.get("instructions")
        eras[version] = Said(
            instructions if isinstance(instructions, str) else None,
            known.get("tools"),
            known.get("prompts"),
            known.get("resource_templates"),
        )
    if not eras and newest:
        # A pin written by hand may say nothing of eras.
        eras[""] = Said(
            None, newest.get("tools"), newest.get("prompts"), newest.get("resource_templates"), introduced=False
        )
    return definition_of(server, eras, opened)


def pin_document(definition: Definition, at: str) -> dict[str, object] | str:
    """Return the pin that approves a definition, or why it cannot be pinned. `at` is an RFC 3339 time."""
    flawed = next(
        (
            f"{part} {item.name!r} at {definition.server!r} cannot be pinned: {item.flaw}"
            for said in definition.eras.values()
            for part in PARTS
            for item in (said.items(part) or {}).values()
            if item.flaw
        ),
        None,
    )
    if flawed is not None:
        return flawed
    newest = definition.newest
    document: dict[str, object] = {"server": definition.server, "pinned_at": at, "eras": dict(definition.opened)}
    document |= {part: _listed(items) for part in PARTS if (items := newest.items(part)) is not None}
    older = list(definition.eras.items())[1:]
    # What was not asked for in an older version must not look as if it were the same there.
    if all(said.items(part) is not None for _, said in older for part in PARTS if newest.items(part) is not None):
        document["variants"] = {version: varied for version, said in older if (varied := _varied(newest, said))}
    return document


def _varied(newest: Said, said: Said) -> dict[str, object]:
    varied: dict[str, object] = {}
    for part in PARTS:
        items = said.items(part)
        if items is not None and _digests(items) != _digests(newest.items(part) or {}):
            varied[part] = _listed(items)
    return varied


def _digests(items: Mapping[str, Item]) -> Mapping[str, Digest]:
    return {name: item.digest for name, item in items.items()}


def _listed(items: Mapping[str, Item]) -> Sequence[object]:
    return [dict(item.definition) for item in items.values()]


def _digest(value: Mapping[str, object]) -> Digest | Refusal:
    canonical = audit.leaf.canonical(dict(value))
    return canonical if isinstance(canonical, Refusal) else Digest("sha256:" + sha256(canonical).hexdigest())
