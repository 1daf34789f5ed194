"""Answers to requests with an idempotency key, and the notes of followers."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, and_, delete, insert, select, update

from tallystick.control.entries import Mismatch, Note, Stored
from tallystick.control.store.rows import json_text, object_of, strange
from tallystick.control.store.tables import ANSWERS, NOTES

KEPT_S: Final = 24 * 3600
"""Seconds that an answer is kept."""
ABANDONED_S: Final = 60
"""Seconds after which a request without an answer counts as one that its process did not survive."""


def begin(connection: Connection, who: tuple[str, str], request: str, now: int) -> Stored | Mismatch | None:
    """Return the answer that a key got, or None and take it: `who` is (actor, key), `request` a digest."""
    actor, name = map(json_text, who)
    connection.execute(delete(ANSWERS).where(ANSWERS.c.at < now - KEPT_S))
    mine = and_(ANSWERS.c.actor == actor, ANSWERS.c.name == name)
    found = connection.execute(select(ANSWERS.c.at, ANSWERS.c.request, ANSWERS.c.answer).where(mine)).first()
    if found is None:
        connection.execute(insert(ANSWERS).values(actor=actor, name=name, at=now, request=request))
        return None
    at, known, answer = found
    if known != request:
        return Mismatch(who[1])
    if answer is not None:
        return _stored(answer)
    if at > now - ABANDONED_S:
        return Mismatch(who[1], running=True)
    connection.execute(update(ANSWERS).where(mine).values(at=now))
    return None


def finish(connection: Connection, who: tuple[str, str], stored: Stored | None) -> None:
    """Keep an answer; None gives the key back, for a request that did nothing."""
    mine = and_(ANSWERS.c.actor == json_text(who[0]), ANSWERS.c.name == json_text(who[1]))
    if stored is None:
        connection.execute(delete(ANSWERS).where(mine))
        return
    text = json_text({"status": stored.status, "body": stored.body.hex(), "headers": dict(stored.headers)})
    connection.execute(update(ANSWERS).where(mine).values(answer=text))


def _stored(text: str) -> Stored:
    fields = object_of(text)
    status, body, headers = fields.get("status"), fields.get("body"), fields.get("headers")
    if not (isinstance(status, int) and isinstance(body, str) and isinstance(headers, dict)):
        raise strange(what="an answer")
    return Stored(status, bytes.fromhex(body), {str(name): str(part) for name, part in headers.items()})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def note(connection: Connection, name: str) -> Note | None:
    """Return what a follower wrote last."""
    found = connection.execute(select(NOTES.c.content, NOTES.c.version).where(NOTES.c.name == json_text(name))).first()
    return None if found is None else Note(object_of(found[0]), found[1])


def keep(connection: Connection, name: str, value: Mapping[str, object] | None, version: int) -> bool:
    """Write a note where it still has this version (0: is not there); None removes it. False: another was faster."""
    mine = and_(NOTES.c.name == json_text(name), NOTES.c.version == version)
    if value is None:
        return connection.execute(delete(NOTES).where(mine)).rowcount == 1
    if version:
        changed = connection.execute(
            update(NOTES).where(mine).values(content=json_text(dict(value)), version=version + 1)
        )
        return changed.rowcount == 1
    if note(connection, name) is not None:
        return False
    connection.execute(insert(NOTES).values(name=json_text(name), content=json_text(dict(value)), version=1))
    return True
