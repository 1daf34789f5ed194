"""The one place where control state is read and changed. Synchronous; may be used from any thread."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from secrets import token_bytes
from threading import Lock
from typing import Final

from sqlalchemy import Connection, select

from tallystick.audit import leaf
from tallystick.control.change import NAME, Candidate, Moment, Rules, apply, outdated
from tallystick.control.entries import (
    Entry,
    Judge,
    Mismatch,
    Note,
    Postgres,
    Review,
    Sqlite,
    Stored,
    Unrecorded,
    Where,
)
from tallystick.control.judgement import judged
from tallystick.control.model import Actor, Change, Committed, Conflict, Key, Kind, Page, Refused, Resource, Step
from tallystick.control.outbox.leaves import Occasion, leaves, refused
from tallystick.control.render import Renderer
from tallystick.control.seal import Seal
from tallystick.control.search import page
from tallystick.control.several.listen import Listener
from tallystick.control.several.turn import Turn
from tallystick.control.several.watch import POLL_S, Watch
from tallystick.control.store import answers, past, write
from tallystick.control.store.engine import Database
from tallystick.control.store.mirror import Mirror, State
from tallystick.control.store.tables import HEAD, SECRETS
from tallystick.control.store.upgrade import upgrade
from tallystick.settings import Problem
from tallystick.snapshot import Document
from tallystick.terms import Clock, TallyError, TenantId

_NONCE_BYTES: Final = 12
_NET_S: Final = 0.5
"""Seconds between two looks at PostgreSQL, should a message be lost."""


class Control:
    """Control state. Every method may raise `TallyError` ("unavailable") when the database is away.

    INVARIANT: `commit` is the only way to change a resource, and one database transaction. What it returns is on disk;
    it is in force once its revision is published, which is when the record has every leaf of it.
    """

    def __init__(self, database: Database, seal: Seal, outside: tuple[Clock, Callable[[], str]], judge: Judge) -> None:
        self._database, self._seal, self._judge = database, seal, judge
        self._clock, self._new_id = outside
        self._mirror, self._renderer = Mirror(), Renderer()
        self._changing = Lock()
        self.watch = Watch(_NET_S if database.is_postgres else POLL_S)
        place = database.place
        self._listener = Listener(place.dsn, self.watch.wake) if isinstance(place, Postgres) else None

    def listen(self) -> None:
        """Hear of what other processes publish. Without it, `wait` finds out by looking."""
        if self._listener is not None:
            self._listener.start()

    def close(self) -> None:
        """Let nobody wait or listen any longer."""
        self.watch.close()
        if self._listener is not None:
            self._listener.end()

    def head(self) -> int:
        """Return the newest revision."""
        return self._heads()[0]

    def published(self) -> int:
        """Return the newest revision of which the record has everything: the one to be served."""
        return self._heads()[1]

    def get(self, key: Key, revision: int | None = None) -> Resource | None:
        """Return a resource as it is, or as it was at a revision."""
        return self.all(revision).get(key)

    def all(self, revision: int | None = None) -> Mapping[Key, Resource]:
        """Return everything as it is, or as it was at a revision. The mapping is shared: never change it."""
        with self._database.read() as connection:
            return self._state(connection, revision).resources

    def page(self, kind: Kind, where: Where, after: str | None, limit: int) -> Page:
        """Return the next `limit` resources of a kind after a name, in order of name."""
        return page(self.all(), kind, where, after, limit)

    def commit(self, changes: Sequence[Change], actor: Actor, why: str = "") -> Committed | Refused:
        """Make all of the changes, or none. What changes nothing is no revision."""
        with self._database.read() as connection:
            late = outdated(self._mirror.newest(connection).resources, tuple(changes))
        if late is not None:
            # Told without waiting for those who change something now: fifty editors of one thing are mostly late.
            return late
        # One at a time in this process too: SQLite's own queue is a lottery among those who wait.
        with self._changing:
            with self._database.write() as connection:
                write.lock_head(connection)
                state = self._mirror.newest(connection)
                moment = self._moment(state)
                outcome = self._candidate(connection, (state, moment), tuple(changes), actor)
                if isinstance(outcome, Candidate):
                    self._write(connection, outcome, Occasion(moment, actor, why, _tenants(state), self._new_id))
                elif isinstance(outcome, Conflict) and outcome.why == "gate":
                    self._note_refusal(connection, (state, moment), changes, (outcome, actor, why))
            if isinstance(outcome, Candidate) and outcome.changed:
                self._mirror.keep(State(moment.revision, outcome.resources))
        self.watch.wake()
        return _answer(outcome, state, moment)

    def plan(self, changes: Sequence[Change], actor: Actor) -> Committed | Refused:
        """Return what `commit` would, without writing anything or keeping anybody waiting."""
        with self._database.read() as connection:
            state = self._mirror.newest(connection)
            moment = self._moment(state)
            return _answer(self._candidate(connection, (state, moment), tuple(changes), actor), state, moment)

    def history(self, key: Key | None = None, after: int = 0, limit: int = 100) -> tuple[Entry, ...]:
        """Return what happened after a revision, oldest first. Revisions come whole, even beyond the limit."""
        with self._database.read() as connection:
            return past.entries(connection, key, after, limit)

    def reviews(self, key: Key) -> tuple[Review, ...]:
        """Return every step that was taken with a resource, or refused, oldest first."""
        with self._database.read() as connection:
            return past.reviews(connection, key)

    def documents(self, revision: int | None = None) -> Mapping[str, Document]:
        """Return everything as the documents that a snapshot is compiled from. Unchanged ones are the same objects."""
        found = self._renderer.render(self.all(revision).values())
        if isinstance(found, tuple):
            raise TallyError(code="internal", message="; ".join(map(str, found)))
        return found

    def outbox(self, limit: int) -> tuple[Unrecorded, ...]:
        """Return the oldest leaves that the record does not have yet."""
        with self._database.read() as connection:
            return write.unrecorded(connection, limit)

    def tried(self, numbers: Sequence[int]) -> None:
        """Note, before they are appended, that these leaves of the outbox are given to the record."""
        with self._database.write() as connection:
            write.tried(connection, numbers)

    def recorded(self, numbers: Sequence[int]) -> int:
        """Take leaves that the record has out of the outbox; return the newest published revision."""
        with self._database.write() as connection:
            published = write.recorded(connection, numbers, notify=self._database.is_postgres)
        self.watch.wake()
        return published

    @contextmanager
    def relaying(self) -> Generator[bool]:
        """Yield whether this process brings leaves to the record now: of several, one does."""
        with Turn(self._database.place).taken() as mine:
            yield mine

    def wait(self, after: int, seconds: float) -> int:
        """Block until more than revision `after` is published, or the time is over; return what is published."""
        return self.watch.wait(self.published, after, seconds)

    def wait_for_change(self, after: int, seconds: float) -> int:
        """Block until there is more than revision `after`, published or not, or the time is over; return the newest."""
        return self.watch.wait(self.head, after, seconds)

    def idempotent(self, name: str, actor: str, request: str) -> Stored | Mismatch | None:
        """Return the answer that this key of this actor got within 24 hours; None: it is taken now, and to be done."""
        with self._locked() as connection:
            return answers.begin(connection, (actor, name), request, int(self._clock()))

    def remember(self, name: str, actor: str, stored: Stored | None) -> None:
        """Keep the answer that a key got; None gives the key back, after a request that did nothing."""
        with self._database.write() as connection:
            answers.finish(connection, (actor, name), stored)

    def note(self, name: str) -> Note | None:
        """Return what a follower keeps under a name."""
        with self._database.read() as connection:
            return answers.note(connection, name)

    def keep(self, name: str, value: Mapping[str, object] | None, version: int) -> bool:
        """Keep a follower's note where it still has `version` (0: there is none); None removes it.

        False: somebody else was faster; read it again.
        """
        with self._locked() as connection:
            return answers.keep(connection, name, value, version)

    def secret(self, name: str) -> bytes | None:
        """Return a secret's value, for use and never for show. Raises `TallyError` where the key is another one."""
        if not NAME.fullmatch(name):
            return None
        with self._database.read() as connection:
            sealed = connection.execute(select(SECRETS.c.sealed).where(SECRETS.c.name == name)).scalar()
        return None if sealed is None else self._seal.open(name, bytes(sealed))

    @contextmanager
    def _locked(self) -> Generator[Connection]:
        with self._database.write() as connection:
            write.lock_head(connection)
            yield connection

    def _heads(self) -> tuple[int, int]:
        with self._database.read() as connection:
            return connection.execute(select(HEAD.c.revision, HEAD.c.published)).one()

    def _state(self, connection: Connection, revision: int | None) -> State:
        newest = self._mirror.newest(connection)
        return newest if revision is None or revision >= newest.revision else self._mirror.at(connection, revision)

    def _moment(self, state: State) -> Moment:
        now = self._clock()
        return Moment(state.revision + 1, leaf.timestamp(now), now)

    def _candidate(
        self, connection: Connection, at: tuple[State, Moment], changes: tuple[Change, ...], actor: Actor
    ) -> Candidate | Refused:
        state, moment = at
        rules = Rules(
            actor,
            moment,
            past=lambda key: past.past(connection, key),
            last_version=lambda key: past.last_version(connection, key),
        )
        outcome = apply(state.resources, changes, rules)
        if not isinstance(outcome, Candidate):
            return outcome
        return judged((state.resources, outcome), changes, self._renderer, self._judge) or outcome

    def _write(self, connection: Connection, candidate: Candidate, occasion: Occasion) -> None:
        if not candidate.changed:
            return
        occasion = occasion._replace(tenants=occasion.tenants | _tenants_of(candidate.resources))
        write.write(
            connection,
            write.Written(
                moment=occasion.moment,
                actor=occasion.actor,
                why=occasion.why,
                candidate=candidate,
                sealed={name: self._sealed(name, value) for name, value in candidate.secrets.items()},
                told=tuple(leaves(candidate, occasion)),
                ids=[self._new_id() for _ in candidate.steps],
            ),
        )

    def _sealed(self, name: str, value: bytes | None) -> bytes | None:
        return None if value is None else self._seal.seal(name, value, token_bytes(_NONCE_BYTES))

    def _note_refusal(
        self,
        connection: Connection,
        at: tuple[State, Moment],
        changes: Sequence[Change],
        said: tuple[Conflict, Actor, str],
    ) -> None:
        """Keep a step that the gates refused, in the reviews and on record: nothing else of the commit was written."""
        (state, moment), (conflict, actor, why) = at, said
        step = next((each for each in changes if isinstance(each, Step) and each.key == conflict.key), None)
        before = state.resources.get(conflict.key)
        if step is None or before is None or not conflict.unmet:
            return
        reviewed = write.Reviewed(self._new_id(), moment, actor, step, before.state, conflict.unmet)
        write.review(connection, reviewed)
        occasion = Occasion(moment, actor, why, frozenset(), self._new_id)
        write.put_out(connection, 0, [refused(step, conflict, before, occasion)])


def _answer(outcome: Candidate | Refused, state: State, moment: Moment) -> Committed | Refused:
    if not isinstance(outcome, Candidate):
        return outcome
    return Committed(moment.revision if outcome.changed else state.revision, outcome.changed)


def _tenants(state: State) -> frozenset[TenantId]:
    return _tenants_of(state.resources)


def _tenants_of(resources: Mapping[Key, Resource]) -> frozenset[TenantId]:
    return frozenset(TenantId(key.name) for key in resources if key.kind == "Tenant")


@contextmanager
def open_control(
    place: Sqlite | Postgres, key: bytes, clock: Clock, new_id: Callable[[], str], judge: Judge
) -> Generator[Control]:
    """Open control state, and make or migrate its tables. `key` (32 bytes) seals secrets; `new_id` gives ULIDs.

    Raises `TallyError` where the database is away, or was used by a newer release.
    """
    seal = Seal(key)
    database = Database(place)
    try:
        upgrade(database)
        control = Control(database, seal, (clock, new_id), judge)
        control.listen()
        try:
            yield control
        finally:
            control.close()
    finally:
        database.close()


def problems_of(refused: Refused) -> tuple[Problem, ...]:
    """Return a refusal as problems, for those who tell only these."""
    return refused if isinstance(refused, tuple) else (Problem(str(refused.key), "", refused.text, refused.why),)
