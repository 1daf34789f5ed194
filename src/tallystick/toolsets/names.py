"""Published names: which of the things that want one name gets it. A collision is never resolved silently."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tallystick.registry import definition
from tallystick.registry import toolset as nouns
from tallystick.terms import ServerId

SEPARATOR = "__"
"""INVARIANT: server names hold no underscore, so the first separator always ends the server's name."""


class Wish(NamedTuple):
    """One thing that is to be published: whose it is, its own name, and the name that an override gives it."""

    server: ServerId
    own: str
    chosen: str | None


class Settled(NamedTuple):
    """Who has which name, by (server, own name); what lost its name to whom; and what could not be settled."""

    names: Mapping[tuple[ServerId, str], str]
    losers: tuple[tuple[Wish, Wish], ...]
    collisions: tuple[tuple[str, tuple[Wish, ...]], ...]


def settle(wishes: Sequence[Wish], rule: nouns.Conflicts, priority: Sequence[ServerId]) -> Settled:
    """Give every wish its name, by the rule for conflicts."""
    wanted: dict[str, list[Wish]] = {}
    for wish in wishes:
        wanted.setdefault(_name(wish, rule), []).append(wish)
    names: dict[tuple[ServerId, str], str] = {}
    losers: list[tuple[Wish, Wish]] = []
    collisions: list[tuple[str, tuple[Wish, ...]]] = []
    if rule == "reject":
        # Renamed or not: two things that their servers call the same are two too many.
        collisions += _alike(wishes, lambda wish: wish.own)
    for name, group in wanted.items():
        winner = group[0] if len(group) == 1 else first(group, priority) if rule == "priority" else None
        if winner is None:
            collisions.append((name, tuple(group)))
            continue
        names[winner.server, winner.own] = name
        losers += [(wish, winner) for wish in group if wish is not winner]
    return Settled(names, tuple(losers), tuple(dict.fromkeys(collisions)))


def first(group: Sequence[Wish], priority: Sequence[ServerId]) -> Wish | None:
    """Return the one wish whose server stands before those of all others; None where no order says so."""
    ranked = sorted(group, key=lambda wish: _rank(wish.server, priority))
    before, after = (_rank(wish.server, priority) for wish in ranked[:2])
    return ranked[0] if before < after else None


def look_alikes(names: Iterable[str]) -> Iterable[tuple[str, ...]]:
    """Return the sets of names that a reader could take for one another."""
    seen: dict[str, list[str]] = {}
    for name in names:
        seen.setdefault(definition.signs.skeleton(name), []).append(name)
    return [tuple(group) for group in seen.values() if len(group) > 1]


def _name(wish: Wish, rule: nouns.Conflicts) -> str:
    if wish.chosen is not None:
        return wish.chosen
    return f"{wish.server}{SEPARATOR}{wish.own}" if rule == "prefix" else wish.own


def _rank(server: ServerId, priority: Sequence[ServerId]) -> int:
    return priority.index(server) if server in priority else len(priority)


def _alike(wishes: Sequence[Wish], key: Callable[[Wish], str]) -> list[tuple[str, tuple[Wish, ...]]]:
    found: dict[str, list[Wish]] = {}
    for wish in wishes:
        found.setdefault(key(wish), []).append(wish)
    return [(name, tuple(group)) for name, group in found.items() if len(group) > 1]
