"""The catalog on this console: who may read it and who may publish, by the console's own identity and policy."""

from collections.abc import Mapping, Sequence

from starlette.types import ASGIApp

from tallystick.api import record
from tallystick.api.admit import Visitor, admit
from tallystick.api.catalog import Action, CatalogRooms, Declined, catalog, namespace_of
from tallystick.api.http import Trouble
from tallystick.api.live import Live
from tallystick.control import model
from tallystick.terms import Reason, TenantId


def register(live: Live) -> ASGIApp:
    """Return the catalog of a console, for its path `/registry`."""
    rooms = live.rooms

    async def resources() -> Mapping[model.Key, model.Resource]:
        return await live.run(lambda: rooms.control.all(rooms.control.published()))

    async def refuse(visitor: Visitor | None, action: str, told: Trouble) -> Declined:
        if visitor is None:
            told = await record.turned_away(rooms, "") or told
        if Reason.FLOODED not in told.refusal.reasons:
            await record.refused(rooms, visitor, f"catalog {action}", told)
        return Declined(int(told.status), told.refusal.public_text, told.headers)

    async def publisher(
        authorization: bytes | None, tenant: TenantId, action: Action, key: model.Key
    ) -> model.Actor | Declined:
        visitor = await admit(rooms, authorization)
        if isinstance(visitor, Trouble):
            return await refuse(None, action, visitor)
        known = await live.run(rooms.control.get, key)
        permit = visitor.may(action, tenant if known is None else known.tenant, known or key)
        if isinstance(permit, Trouble):
            return await refuse(visitor, action, permit)
        return visitor.actor_at(tenant)

    async def reader(authorization: bytes | None, tenant: TenantId) -> Declined | None:
        if rooms.catalog_without_token:
            return None
        visitor = await admit(rooms, authorization)
        if isinstance(visitor, Trouble):
            return await refuse(None, "read", visitor)
        # Whoever may call a tenant's servers may know which there are; and whoever administers them.
        is_own = visitor.caller.tenant == tenant
        permit = None if is_own else visitor.may("server:list", tenant)
        return await refuse(visitor, "read", permit) if isinstance(permit, Trouble) else None

    async def commit(changes: Sequence[model.Change], actor: model.Actor, why: str) -> model.Committed | Declined:
        done = await live.commit(changes, actor, why)
        if isinstance(done, Trouble):
            return Declined(int(done.status), done.refusal.public_text, done.headers)
        return done

    url = rooms.gateway_url.rstrip("/")
    given = CatalogRooms(resources, rooms.snapshot, url, namespace_of(url), publisher, commit, rooms.held, reader)
    return catalog(given)
