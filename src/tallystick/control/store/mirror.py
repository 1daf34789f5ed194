"""The newest state as objects in memory, kept up by reading what changed since: nobody reads all tools per change."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, func, select

from tallystick.control.model import Key, Resource
from tallystick.control.store.rows import kind_of, resource_of
from tallystick.control.store.tables import HEAD, HISTORY, RESOURCES

_KEPT: Final = 16
"""States that are kept: who serves the newest published one asks for one of the last few."""


class State(NamedTuple):
    """Everything at one revision. INVARIANT: never changed; the next state is another mapping."""

    revision: int
    resources: Mapping[Key, Resource]


class Mirror:
    """Holds the newest state that this process has seen, and some before. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: OrderedDict[int, State] = OrderedDict()
        self._newest: State | None = None

    def newest(self, connection: Connection) -> State:
        """Return the state at head, as this transaction sees it."""
        known = self._newest
        revision: int = connection.execute(select(HEAD.c.revision)).scalar_one()
        if known is None or revision < known.revision:
            # The first look; or a database that was restored from a backup meanwhile.
            return self._replace(_whole(connection))
        if revision == known.revision:
            return known
        changed = select(HISTORY.c.kind, HISTORY.c.name, HISTORY.c.after).where(
            and_(HISTORY.c.revision > known.revision, HISTORY.c.revision <= revision)
        )
        resources = dict(known.resources)
        for kind, name, after in connection.execute(changed.order_by(HISTORY.c.revision)):
            key = Key(kind_of(kind), name)
            if after is None:
                resources.pop(key, None)
            else:
                resources[key] = resource_of(after)
        return self.keep(State(revision, resources))

    def at(self, connection: Connection, revision: int) -> State:
        """Return the state at a revision, from memory or from the history."""
        with self._lock:
            kept = self._states.get(revision)
        return kept or State(revision, at_revision(connection, revision))

    def keep(self, state: State) -> State:
        """Remember a state that is in the database, and return it."""
        with self._lock:
            self._states[state.revision] = state
            while len(self._states) > _KEPT:
                self._states.popitem(last=False)
            if self._newest is None or state.revision > self._newest.revision:
                self._newest = state
        return state

    def _replace(self, state: State) -> State:
        with self._lock:
            self._states.clear()
            self._newest = None
        return self.keep(state)


def _whole(connection: Connection) -> State:
    # One statement sees one moment, on both databases.
    found = connection.execute(
        select(HEAD.c.revision, HISTORY.c.after).select_from(
            HEAD.outerjoin(RESOURCES, HEAD.c.id == 1).outerjoin(
                HISTORY,
                and_(
                    HISTORY.c.kind == RESOURCES.c.kind,
                    HISTORY.c.name == RESOURCES.c.name,
                    HISTORY.c.revision == RESOURCES.c.revision,
                ),
            )
        )
    )
    rows = found.all()
    return State(rows[0][0], _keyed(after for _, after in rows if after is not None))


def at_revision(connection: Connection, revision: int) -> Mapping[Key, Resource]:
    """Return everything as it was at a revision."""
    last = (
        select(HISTORY.c.kind, HISTORY.c.name, func.max(HISTORY.c.revision).label("revision"))
        .where(HISTORY.c.revision <= revision)
        .group_by(HISTORY.c.kind, HISTORY.c.name)
        .subquery()
    )
    joined = HISTORY.join(
        last,
        and_(HISTORY.c.kind == last.c.kind, HISTORY.c.name == last.c.name, HISTORY.c.revision == last.c.revision),
    )
    found = connection.execute(select(HISTORY.c.after).select_from(joined).where(HISTORY.c.after.is_not(None)))
    return _keyed(found.scalars())


def _keyed(texts: Iterable[str]) -> dict[Key, Resource]:
    resources = [resource_of(text) for text in texts]
    return {resource.key: resource for resource in sorted(resources, key=lambda resource: resource.key)}
