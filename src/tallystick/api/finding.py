"""What there is to find of servers and their tools, in memory: only what changed since is read again. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from tallystick.control import model
from tallystick.registry import definition
from tallystick.remote import messages

object_of, list_of = definition.plain.object_of, definition.plain.list_of

_UNKNOWN: Final = {"operation": "execute", "risk": "critical", "classification": "restricted"}
"""What counts where nobody has said: the most severe."""
_REST: Final = "*"
"""Under this name a server's document classifies every tool that it does not name."""


class Entry(NamedTuple):
    """A server or a tool, the text that words are looked for in, and the server's resource."""

    found: messages.told.Found
    text: str
    place: str
    server: model.Resource


class _Read(NamedTuple):
    server: model.Resource
    pin: model.Resource | None
    entries: tuple[Entry, ...]


@dataclass(slots=True)
class Catalogue:
    """What there is to find. INVARIANT: what was read of a server is kept as long as its resource and its pin's are."""

    _read: Mapping[str, _Read]
    _everything: Mapping[model.Key, model.Resource] | None = None
    _entries: tuple[Entry, ...] = ()

    @classmethod
    def empty(cls) -> "Catalogue":
        """Return one that has read nothing yet."""
        return cls({})

    def entries(self, everything: Mapping[model.Key, model.Resource]) -> tuple[Entry, ...]:
        """Return every entry, in order of server and tool. For several threads: the worst race reads twice."""
        if everything is self._everything:
            return self._entries
        known, read = self._read, dict[str, _Read]()
        for key, server in everything.items():
            if key.kind == "Server":
                pin, before = everything.get(model.Key("Pin", key.name)), known.get(key.name)
                is_same = before is not None and before.server is server and before.pin is pin
                read[key.name] = before if is_same and before else _Read(server, pin, tuple(_entries(server, pin)))
        entries = tuple(entry for name in sorted(read) for entry in read[name].entries)
        self._read, self._entries, self._everything = read, entries, everything
        return entries


def fitting(entries: Iterable[Entry], query: messages.asked.Search) -> list[Entry]:
    """Return the entries that have every word and what every filter asks for."""
    kept = list(entries)
    for word in query.q.casefold().split():
        kept = [entry for entry in kept if word in entry.text]
    for fits in _filters(query):
        kept = [entry for entry in kept if fits(entry.found)]
    return kept


def _filters(query: messages.asked.Search) -> Iterator[Callable[[messages.told.Found], bool]]:
    """Yield the filters that a search has: 10,000 entries are not asked about those that it has not."""
    if query.of is not None:
        of = query.of.removesuffix("s")
        yield lambda found: found.of == of
    for field in ("state", "operation", "risk", "classification"):
        value = getattr(query, field)
        if value is not None:
            yield lambda found, field=field, value=value: getattr(found, field) == value
    if query.owner is not None:
        owner = query.owner.casefold()
        yield lambda found: owner in found.owner.casefold()
    if query.label is not None:
        yield lambda found: query.label in found.labels


def _entries(server: model.Resource, pin: model.Resource | None) -> Iterator[Entry]:
    spec = server.spec
    owner, classification = _owner(spec.get("owner")), _said(spec, "classification")
    quarantined = object_of(None if pin is None else pin.status.get("quarantined"))
    labels = sorted(f"{name}={value}" for name, value in server.labels.items())
    found = messages.told.Found(
        of="server",
        server=server.name,
        tool="",
        tenant=server.tenant,
        title=str(spec.get("title", "")),
        description=str(spec.get("purpose", "")),
        state=server.state,
        owner=owner,
        operation="",
        risk="",
        classification=classification,
        quarantined="*" in quarantined,
        labels=labels,
    )
    yield _entry(found, server)
    definitions = _definitions(pin)
    classified = object_of(spec.get("tools"))
    for name in sorted({*classified, *definitions} - {_REST}):
        about, said = object_of(classified.get(name, classified.get(_REST))), definitions.get(name, {})
        own = messages.told.Found(
            of="tool",
            server=server.name,
            tool=name,
            tenant=server.tenant,
            title=str(said.get("title", "")),
            description=str(said.get("description", ""))[:1024],
            state=server.state,
            owner=owner,
            operation=_said(about, "operation"),
            risk=_said(about, "risk"),
            classification=classification,
            quarantined="*" in quarantined or name in quarantined,
            labels=[str(label) for label in list_of(about.get("labels"))] + labels,
        )
        yield _entry(own, server)


def _entry(found: messages.told.Found, server: model.Resource) -> Entry:
    words = (found.server, found.tool, found.title, found.description, found.owner, *found.labels)
    return Entry(found, " ".join(words).casefold(), f"{found.server} {found.tool}", server)


def _definitions(pin: model.Resource | None) -> dict[str, Mapping[str, object]]:
    """Return the tools as they were approved; as they were seen, where nothing was approved yet."""
    if pin is None:
        return {}
    spec = pin.spec or object_of(object_of(pin.status.get("observed")).get("spec"))
    return {str(tool["name"]): tool for tool in map(object_of, list_of(spec.get("tools"))) if "name" in tool}


def _owner(value: object) -> str:
    parts = object_of(value)
    return " / ".join(str(part) for part in parts.values()) if parts else str(value or "")


def _said(spec: Mapping[str, object], field: str) -> str:
    return str(spec.get(field) or _UNKNOWN[field])
