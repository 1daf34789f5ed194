"""Where ticketing systems report back. Nobody is signed in here: the message's own signature says whose it is."""

from tallystick.api.admit import OPEN
from tallystick.api.http import Trouble, message, trouble
from tallystick.api.live import refusal_of
from tallystick.api.routes.model import Asked, Result
from tallystick.control import webhooks
from tallystick.remote import messages
from tallystick.terms import Reason, Refusal


async def receive(asked: Asked) -> Result:
    """Take a message to a webhook, if it is what it says."""
    refused = asked.no_query()
    if refused is not None:
        return refused
    if asked.rooms.hooks is None:
        return trouble("unavailable", Reason.NOT_OFFERED, "This console takes no messages to webhooks.")
    if not asked.rooms.recording():
        return trouble("unavailable", Reason.RECORD_UNWRITABLE, "The record cannot be written, so nothing changes.")
    heard = await asked.live.run(asked.rooms.hooks.receive, asked.path["name"], asked.headers, asked.body)
    if isinstance(heard, Refusal):
        return Trouble(heard)
    if not isinstance(heard, webhooks.Heard):
        return refusal_of(heard)
    committed = heard.committed
    if committed is None or not committed.changes:
        return OPEN, message(messages.told.Heard())
    late = await asked.live.settle(committed)
    if late is not None:
        return late
    after = committed.changes[0].after
    return OPEN, message(messages.told.Heard(None if after is None else after.state, committed.revision))
