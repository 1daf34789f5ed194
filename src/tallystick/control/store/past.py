"""Questions about what was: history, reviews, versions of what is gone."""

from typing import Final

from sqlalchemy import Connection, and_, select

from tallystick.control.change import NAME, Past
from tallystick.control.entries import Entry, Review
from tallystick.control.model import Key
from tallystick.control.store.rows import actor_of, kind_of, resource_of, review_of, text_of
from tallystick.control.store.tables import COMMITS, HISTORY, REVIEWS

_BEFORE: Final = HISTORY.alias("earlier")
MOST: Final = 1_000_000


def entries(connection: Connection, key: Key | None, after: int, limit: int) -> tuple[Entry, ...]:
    """Return what happened after a revision, oldest first; of one resource, or of all.

    A revision is never told in part: those of one revision come together, even beyond the limit.
    """
    if key is not None and not NAME.fullmatch(key.name):
        return ()
    wanted = [HISTORY.c.revision > after]
    if key is not None:
        wanted += [HISTORY.c.kind == key.kind, HISTORY.c.name == key.name]
    some = select(HISTORY.c.revision).where(and_(*wanted)).order_by(HISTORY.c.revision).limit(limit)
    last = [*connection.execute(some).scalars()]
    if not last:
        return ()
    joined = HISTORY.join(COMMITS, HISTORY.c.revision == COMMITS.c.revision).outerjoin(
        _BEFORE,
        and_(
            _BEFORE.c.kind == HISTORY.c.kind,
            _BEFORE.c.name == HISTORY.c.name,
            _BEFORE.c.revision == HISTORY.c.previous,
        ),
    )
    rows = connection.execute(
        select(
            HISTORY.c.revision,
            COMMITS.c.at,
            COMMITS.c.actor,
            COMMITS.c.why,
            HISTORY.c.kind,
            HISTORY.c.name,
            _BEFORE.c.after,
            HISTORY.c.after,
        )
        .select_from(joined)
        .where(and_(*wanted, HISTORY.c.revision <= last[-1]))
        .order_by(HISTORY.c.revision, HISTORY.c.kind, HISTORY.c.name)
    )
    return tuple(
        Entry(
            revision,
            at,
            actor_of(actor),
            text_of(why),
            Key(kind_of(kind), name),
            None if before is None else resource_of(before),
            None if then is None else resource_of(then),
        )
        for revision, at, actor, why, kind, name, before, then in rows
    )


def reviews(connection: Connection, key: Key) -> tuple[Review, ...]:
    """Return every step that somebody took with a resource, or was refused, oldest first."""
    if not NAME.fullmatch(key.name):
        return ()
    rows = connection.execute(
        select(REVIEWS.c.revision, REVIEWS.c.at, REVIEWS.c.actor, REVIEWS.c.step)
        .where(and_(REVIEWS.c.kind == key.kind, REVIEWS.c.name == key.name))
        .order_by(REVIEWS.c.at, REVIEWS.c.id)
    )
    return tuple(review_of(revision, at, actor, key, step) for revision, at, actor, step in rows)


def past(connection: Connection, key: Key) -> Past:
    """Return all of it."""
    return Past(entries(connection, key, 0, MOST), reviews(connection, key))


def last_version(connection: Connection, key: Key) -> int:
    """Return the version that a resource had when it was removed; 0 where there never was one."""
    texts = connection.execute(
        select(HISTORY.c.after)
        .where(and_(HISTORY.c.kind == key.kind, HISTORY.c.name == key.name, HISTORY.c.after.is_not(None)))
        .order_by(HISTORY.c.revision.desc())
        .limit(1)
    )
    text = texts.scalar()
    return 0 if text is None else resource_of(text).version
