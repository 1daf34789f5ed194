"""What a change writes, in the one transaction that it is."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, text, update

from tallystick.control.change import Candidate, Moment
from tallystick.control.entries import Unrecorded
from tallystick.control.model import Actor, Changed, Key, State, Step
from tallystick.control.outbox.leaves import Told
from tallystick.control.several.listen import CHANNEL
from tallystick.control.store.rows import actor_text, json_text, resource_text, step_text
from tallystick.control.store.tables import COMMITS, HEAD, HISTORY, OUTBOX, RESOURCES, REVIEWS, SECRETS
from tallystick.terms import TenantId

_FORGET = delete(RESOURCES).where(
    and_(RESOURCES.c.kind == bindparam("its_kind"), RESOURCES.c.name == bindparam("its_name"))
)


class Written(NamedTuple):
    """Everything that one commit writes. `sealed` are secrets by name, None for removed ones; `ids` are for reviews."""

    moment: Moment
    actor: Actor
    why: str
    candidate: Candidate
    sealed: dict[str, bytes | None]
    told: Sequence[Told]
    ids: Sequence[str]


def lock_head(connection: Connection) -> None:
    """Let changes come one after the other. SQLite's transaction has its lock already."""
    connection.execute(select(HEAD.c.revision).with_for_update())


def write(connection: Connection, written: Written) -> None:
    """Write a whole commit."""
    moment, changed = written.moment, written.candidate.changed
    connection.execute(
        insert(COMMITS).values(
            revision=moment.revision, at=moment.at, actor=actor_text(written.actor), why=json_text(written.why)
        )
    )
    connection.execute(insert(HISTORY), [_history(change, moment.revision) for change in changed])
    connection.execute(_FORGET, [{"its_kind": change.key.kind, "its_name": change.key.name} for change in changed])
    present = [_present(change) for change in changed if change.after is not None]
    if present:
        connection.execute(insert(RESOURCES), present)
    for name, sealed in written.sealed.items():
        connection.execute(delete(SECRETS).where(SECRETS.c.name == name))
        if sealed is not None:
            connection.execute(insert(SECRETS).values(name=name, sealed=sealed))
    for review_id, taken in zip(written.ids, written.candidate.steps, strict=True):
        review(connection, Reviewed(review_id, moment, written.actor, taken.step, taken.origin))
    put_out(connection, moment.revision, written.told)
    connection.execute(update(HEAD).values(revision=moment.revision))


class Reviewed(NamedTuple):
    """A step that was taken, or refused for what is in `unmet`."""

    id: str
    moment: Moment
    actor: Actor
    step: Step
    origin: State
    unmet: tuple[str, ...] = ()


def review(connection: Connection, reviewed: Reviewed) -> None:
    """Write one step; a refused one is of no revision."""
    connection.execute(
        insert(REVIEWS).values(
            id=reviewed.id,
            kind=reviewed.step.key.kind,
            name=reviewed.step.key.name,
            revision=0 if reviewed.unmet else reviewed.moment.revision,
            at=reviewed.moment.at,
            actor=actor_text(reviewed.actor),
            step=step_text(reviewed.step, reviewed.origin, reviewed.unmet),
        )
    )


def put_out(connection: Connection, revision: int, told: Iterable[Told]) -> None:
    """Leave leaves for the record. With revision 0 no revision waits for them."""
    rows = [
        {"id": leaf.id, "revision": revision, "tenant": leaf.tenant, "topic": leaf.topic, "leaf": leaf.leaf}
        for leaf in told
    ]
    if rows:
        connection.execute(insert(OUTBOX), rows)


def unrecorded(connection: Connection, limit: int) -> tuple[Unrecorded, ...]:
    """Return the oldest leaves that the record does not have, as far as is known here."""
    rows = connection.execute(
        select(
            OUTBOX.c.number,
            OUTBOX.c.id,
            OUTBOX.c.revision,
            OUTBOX.c.tenant,
            OUTBOX.c.topic,
            OUTBOX.c.leaf,
            OUTBOX.c.tried,
        )
        .order_by(OUTBOX.c.number)
        .limit(limit)
    )
    return tuple(
        Unrecorded(number, leaf_id, revision, TenantId(tenant), topic, bytes(leaf), bool(tried))
        for number, leaf_id, revision, tenant, topic, leaf, tried in rows
    )


def tried(connection: Connection, numbers: Sequence[int]) -> None:
    """Note that leaves are about to be given to the record."""
    connection.execute(update(OUTBOX).where(OUTBOX.c.number.in_(numbers)).values(tried=1))


def recorded(connection: Connection, numbers: Sequence[int], *, notify: bool) -> int:
    """Take leaves out that the record has; return the newest revision of which it has everything."""
    lock_head(connection)
    connection.execute(delete(OUTBOX).where(OUTBOX.c.number.in_(numbers)))
    oldest: int | None = connection.execute(select(func.min(OUTBOX.c.revision)).where(OUTBOX.c.revision > 0)).scalar()
    head, before = connection.execute(select(HEAD.c.revision, HEAD.c.published)).one()
    # INVARIANT: what is published is on record as a whole, and what was published stays so.
    published = max(before, head if oldest is None else oldest - 1)
    if published != before:
        connection.execute(update(HEAD).values(published=published))
        if notify:
            connection.execute(text("NOTIFY " + CHANNEL))
    return published


def _parts(change: Changed) -> tuple[Key, int, str | None]:
    previous = change.before.revision if change.before is not None else 0
    return change.key, previous, None if change.after is None else resource_text(change.after)


def _history(change: Changed, revision: int) -> dict[str, object]:
    key, previous, after = _parts(change)
    return {"kind": key.kind, "name": key.name, "revision": revision, "previous": previous, "after": after}


def _present(change: Changed) -> dict[str, object]:
    tenant = change.after.tenant if change.after is not None else ""
    revision = change.after.revision if change.after is not None else 0
    return {"kind": change.key.kind, "name": change.key.name, "tenant": tenant, "revision": revision}
