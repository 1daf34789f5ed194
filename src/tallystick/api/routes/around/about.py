"""The console itself: health, who one is, what one may, which state is in force."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Literal

import msgspec

from tallystick.api.admit import OPEN, question_of
from tallystick.api.http import Answer, Trouble, message, place_of, trouble
from tallystick.api.routes import shape
from tallystick.api.routes.model import Asked, Result
from tallystick.api.routes.state.resources import scope_of
from tallystick.control import model
from tallystick.identity import resource_metadata
from tallystick.policy import console
from tallystick.remote import messages
from tallystick.terms import Reason, TallyError, TenantId

_TROUBLES: Final[Mapping[str, str]] = {
    "relay": "Changes wait: they cannot be brought to the record now.",
    "webhooks": "Webhooks wait: control state cannot be followed now.",
    "revision": "The newest revision is not in force at this gateway; the one before it stays in force.",
    "directory": "The changed configuration directory is refused; what was in force before it stays in force.",
}
"""What everybody may know of a trouble."""
_TROUBLE: Final = "Something does not work; the gateway's log has the detail."


async def health(asked: Asked) -> Result:
    """Say whether the database answers, the record can be written, and what else is wrong."""
    refused = asked.plain()
    if refused is not None:
        return refused
    try:
        await asked.live.run(asked.rooms.control.head)
        database = True
    except TallyError:
        database = False
    record = asked.rooms.recording()
    troubles = _troubles(asked, in_full=bool(asked.rooms.operator))
    status: Literal["ok", "degraded"] = "ok" if database and record and not troubles else "degraded"
    return OPEN, message(messages.told.Health(status, asked.rooms.version, database, record, troubles))


def _troubles(asked: Asked, *, in_full: bool) -> dict[str, str]:
    """Return what does not work. INVARIANT: what a file of another tenant holds is told to nobody who may not read it.

    A refusal of the directory quotes the files, so only who may read everything gets the sentences themselves.
    """
    found = asked.rooms.troubles()
    return dict(found) if in_full else {name: _TROUBLES.get(name, _TROUBLE) for name in found}


async def metadata(asked: Asked) -> Result:
    """Say who issues tokens for the console (RFC 9728)."""
    refused = asked.plain()
    if refused is not None:
        return refused
    rooms = asked.rooms
    if not rooms.public_url:
        return trouble("not_found", Reason.ROUTE_UNKNOWN, "On the machine's socket no token is needed.")
    # Further members are allowed (RFC 9728, section 2): the gateway beside it, so that one sign-in is for both.
    beside = {"tallystick_gateway": rooms.gateway_url} if rooms.gateway_url else {}
    described = {**resource_metadata(rooms.public_url, rooms.issuers()), **beside}
    return OPEN, Answer(HTTPStatus.OK, msgspec.json.encode(described), {"content-type": "application/json"})


async def openapi(asked: Asked) -> Result:
    """Describe the API."""
    refused = asked.plain()
    if refused is not None:
        return refused
    return OPEN, Answer(HTTPStatus.OK, asked.live.description(), {"content-type": "application/json"})


async def whoami(asked: Asked) -> Result:
    """Say who the caller is taken for. Needs no role: who has none learns that here."""
    refused = asked.plain()
    if refused is not None:
        return refused
    visitor = asked.visitor
    caller = visitor.caller
    return OPEN, message(
        messages.told.Whoami(
            name=caller.subject,
            kind="operator" if visitor.operator else caller.kind,
            tenant="" if visitor.operator else caller.tenant,
            issuer=caller.issuer,
            client=caller.client,
            groups=list(caller.groups),
            actors=list(caller.actors),
            roles=[messages.told.Held(held.role, held.tenant) for held in sorted(visitor.roles)],
        )
    )


async def check(asked: Asked) -> Result:
    """Say whether the caller may do something. Speaks of the caller alone, so it needs no role."""
    ability = asked.query(messages.asked.Ability)
    if isinstance(ability, Trouble):
        return ability
    about = None
    tenant = TenantId(ability.tenant)
    if ability.kind is not None and ability.name is not None:
        key = model.Key(ability.kind, ability.name)
        found = await asked.live.run(asked.rooms.control.get, key)
        is_known = found is not None and asked.visitor.sees(found)
        about = found if is_known else key
        tenant = found.tenant if found is not None and is_known else tenant
    decision = asked.visitor.decide(question_of(ability.action, tenant, about))
    known = ability.action in console.ACTIONS and decision.effect == "allow"
    verdict = messages.told.Verdict(
        known, ability.action, [str(reason) for reason in decision.reasons], list(decision.policy_ids)
    )
    return OPEN, message(verdict)


async def revision(asked: Asked) -> Result:
    """Say which revision is the newest, and which is in force."""
    refused = asked.plain()
    scope = refused or scope_of(asked, "state:revision", None)
    if isinstance(scope, Trouble):
        return scope
    head = await asked.live.run(asked.rooms.control.head)
    published = await asked.live.run(asked.rooms.control.published)
    troubles = _troubles(asked, in_full=console.EVERYWHERE in scope[1])
    return scope[0], message(messages.told.Revision(head, published, troubles))


async def snapshot(asked: Asked) -> Result:
    """Show the state in force: its digest, and the entrances and notices of what the caller may read."""
    refused = asked.plain()
    scope = refused or scope_of(asked, "state:snapshot", None)
    if isinstance(scope, Trouble):
        return scope
    permit, tenants = scope
    current = asked.rooms.snapshot()
    if current is None:
        return permit, message(messages.told.SnapshotView("", [], []))
    everything = await asked.live.run(asked.rooms.control.all)
    routes = [
        messages.told.RouteView(key, offered.tenant, offered.title, sorted(tool.name for tool in offered.tools))
        for key, offered in sorted(current.publications.items())
        if offered.tenant in tenants
    ]
    notices = [
        place_of(found)
        for found in current.notices
        if (key := shape.key_of(found)) is not None
        and (resource := everything.get(key)) is not None
        and asked.visitor.sees(resource)
    ]
    return permit, message(messages.told.SnapshotView(current.digest, routes, notices))
