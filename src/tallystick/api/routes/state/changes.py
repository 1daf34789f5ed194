"""The history of everything: page by page, or as server-sent events that can be gone on with."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import msgspec

from tallystick.api.http import Trouble, body_trouble, message, read_cursor, revision_of, stream, write_cursor
from tallystick.api.routes import shape
from tallystick.api.routes.model import Asked, Result
from tallystick.api.routes.state.resources import is_seen, scope_of
from tallystick.control import entries, model
from tallystick.remote import messages

BATCH: Final = 500
"""Entries that are read at once."""
KEEP_ALIVE_S: Final = 15.0
"""Seconds after which a silent stream shows that it is open."""
_OPEN: Final = b": open\n\n"
_EVENT_STREAM: Final = "text/event-stream"


async def changes(asked: Asked) -> Result:
    """Read what was changed, oldest first; with Accept: text/event-stream, also what will be."""
    query = asked.query(messages.asked.Following)
    scope = query if isinstance(query, Trouble) else scope_of(asked, "state:changes", None)
    if isinstance(query, Trouble) or isinstance(scope, Trouble):
        return query if isinstance(query, Trouble) else scope if isinstance(scope, Trouble) else _unreachable()
    if _EVENT_STREAM in asked.headers.get("accept", ""):
        start = _start(asked, query)
        return start if isinstance(start, Trouble) else (scope[0], stream(follow(asked, query, start)))
    after = read_cursor(query, query.cursor)
    if isinstance(after, Trouble):
        return after
    start = revision_of(after, query.after)
    if isinstance(start, Trouble):
        return start
    found, last = await _read(asked, query, start, query.limit)
    then = None if last is None else write_cursor(query, str(last))
    return scope[0], message(messages.resources.Changes([shape.change(entry) for entry in found], then))


async def follow(asked: Asked, query: messages.asked.Following, start: int) -> AsyncIterator[bytes]:
    """Yield an event for each change that is in force, from after a revision on, in order and none twice.

    The id of an event is its revision, and is told with the last change of it only: whoever goes on after an id has
    heard all of it, and whoever was cut off in the middle of a revision hears that one again from its beginning.
    """
    yield _OPEN
    at = start
    published = asked.live.published
    while True:
        newest = await published.reach(at + 1, KEEP_ALIVE_S)
        visitor = await asked.again()
        if isinstance(visitor, Trouble):
            return
        asked = replace(asked, visitor=visitor)
        if isinstance(scope_of(asked, "state:changes", None), Trouble):
            return
        if newest <= at:
            yield _OPEN
            continue
        while at < newest:
            found, last = await _read(asked, query, at, BATCH)
            at = newest if last is None else last
            for position, entry in enumerate(found):
                is_last = position + 1 == len(found) or found[position + 1].revision != entry.revision
                yield _event(entry, is_last=is_last)


async def _read(
    asked: Asked, query: messages.asked.Following, after: int, limit: int
) -> tuple[list[entries.Entry], int | None]:
    """Return whole revisions in force after one, as far as the visitor sees them; and where to go on, if anywhere."""
    control = asked.rooms.control
    key = None if query.kind is None or query.name is None else model.Key(query.kind, query.name)
    published = await asked.live.run(control.published)
    found = await asked.live.run(control.history, key, after, limit)
    # INVARIANT: what is not on record is not told, so nobody acts on a change that is not in force.
    kept = [entry for entry in found if entry.revision <= published]
    is_more = len(kept) >= limit
    return [entry for entry in kept if _fits(entry, query) and is_seen(asked.visitor, entry)], (
        kept[-1].revision if is_more else None
    )


def _fits(entry: entries.Entry, query: messages.asked.Following) -> bool:
    return query.kind in {None, entry.key.kind} and query.name in {None, entry.key.name}


def _event(entry: entries.Entry, *, is_last: bool) -> bytes:
    lines = [b"event: change", b"data: " + msgspec.json.encode(shape.change(entry))]
    if is_last:
        lines.insert(0, b"id: %d" % entry.revision)
    return b"\n".join(lines) + b"\n\n"


def _start(asked: Asked, query: messages.asked.Following) -> int | Trouble:
    last = asked.headers.get("last-event-id", "").strip()
    if not last:
        return query.after
    if not (last.isascii() and last.isdigit() and len(last) < len(str(2**53))):
        return body_trouble("Last-Event-ID", "is not the id of one of these events", "header")
    return int(last)


def _unreachable() -> Trouble:
    return body_trouble("query", "cannot be read", "query")
