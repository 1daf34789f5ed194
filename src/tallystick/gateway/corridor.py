"""The one corridor that every message travels, eight rooms in a fixed order. docs/one-tool-call.md tells it as a story.

Each step takes the ticket of the step before, so a room that is skipped does not type-check. Every step may refuse; a
refusal goes straight to the last room, where it is recorded and told. There is no second corridor.
"""

import logging
from typing import Final

from tallystick.gateway import answer, steps
from tallystick.gateway.rooms import Rooms
from tallystick.gateway.tickets import Answer, Answered, Intended, Received
from tallystick.terms import Refusal

_log: Final = logging.getLogger(__name__)


async def travel(rooms: Rooms, received: Received) -> Answer:
    """Take one received message through identity, snapshot, policy, approvals, audit, upstream and answer."""
    identified = await steps.identify(rooms, received)
    if isinstance(identified, Refusal):
        return await answer.refuse(rooms, received, identified)
    routed = steps.route(rooms, identified)
    if isinstance(routed, Refusal):
        return await answer.refuse(rooms, identified, routed)
    authorized = steps.authorize(rooms, routed)
    if isinstance(authorized, Refusal):
        return await answer.refuse(rooms, routed, authorized)
    try:
        cleared = steps.clear(authorized)
        if isinstance(cleared, Refusal):
            return await answer.refuse(rooms, routed, cleared)
        intended = await steps.intend(rooms, cleared)
        if isinstance(intended, Refusal):
            return await answer.refuse(rooms, routed, intended)
        return await answer.answer(rooms, await _sent(rooms, intended))
    finally:
        if authorized.admission is not None:
            authorized.admission.release()


async def _sent(rooms: Rooms, intended: Intended) -> Answered:
    try:
        return await steps.send(rooms, intended)
    except Exception:  # noqa: BLE001 - INVARIANT: an intent has one outcome, whatever breaks between the two
        _log.exception("call %s failed after its intent", intended.call_id)
        return Answered(intended, "upstream_failure", answer.INTERNAL)
