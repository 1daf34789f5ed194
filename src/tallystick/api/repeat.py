"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a POST that is sent twice is done once."""

from hashlib import sha256
from http import HTTPStatus
from typing import Final

import anyio

from tallystick.api.admit import OPEN
from tallystick.api.http import Answer, Trouble, body_trouble, trouble
from tallystick.api.routes import Asked, Result, Route
from tallystick.control import entries
from tallystick.terms import Reason

_LONGEST: Final = 255


async def once(asked: Asked, route: Route) -> Result:
    """Ask the handler, or give the answer again that this key of this caller got within a day.

    Only successes are kept: whoever was refused may mend what was wrong and use the key again.
    """
    key = asked.headers.get("idempotency-key")
    # Whoever is not signed in is nobody, and nobody keeps no answers: they would be everybody's.
    if key is None or route.method != "POST" or route.is_open:
        return await route.handler(asked)
    if not (0 < len(key) <= _LONGEST and key.isascii() and key.isprintable()):
        return body_trouble("Idempotency-Key", "is 1 to 255 printable characters of ASCII", "header")
    control, caller = asked.rooms.control, asked.visitor.caller
    who = f"{caller.issuer}#{caller.subject}"
    known = await asked.live.run(control.idempotent, key, who, _digest(asked, route))
    if isinstance(known, entries.Mismatch):
        return _mismatch(running=known.running)
    if known is not None:
        return OPEN, Answer(HTTPStatus(known.status), known.body, {**known.headers, "idempotent-replayed": "true"})
    stored: entries.Stored | None = None
    try:
        result = await route.handler(asked)
        if not isinstance(result, Trouble):
            answer = result[1]
            stored = entries.Stored(int(answer.status), answer.body, answer.headers)
        return result
    finally:
        # The key is given back, or its answer kept, also where the client has gone.
        with anyio.CancelScope(shield=True):
            await asked.live.run(control.remember, key, who, stored)


def _digest(asked: Asked, route: Route) -> str:
    target = repr((route.path, sorted(asked.path.items()), asked.pairs, asked.headers.get("if-match")))
    return sha256(target.encode() + b"\0" + asked.body).hexdigest()


def _mismatch(*, running: bool) -> Trouble:
    if running:
        return trouble("conflict", Reason.IDEMPOTENCY_MISMATCH, "This very request is under way. Wait for its answer.")
    return trouble("invalid", Reason.IDEMPOTENCY_MISMATCH, "The Idempotency-Key was used for another request.")
