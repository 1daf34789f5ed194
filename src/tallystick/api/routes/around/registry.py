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
    rooms, gate = live.rooms, _Gate(live)
    url = rooms.gateway_url.rstrip("/")
    return catalog(
        CatalogRooms(
            resources=gate.resources,
            snapshot=rooms.snapshot,
            gateway_url=url,
            namespace=namespace_of(url),
            publisher=gate.publisher,
            commit=gate.commit,
            held=rooms.held,
            reader=gate.reader,
        )
    )


class _Gate:
    """What the catalog asks of the console."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rooms = live.rooms

    async def resources(self) -> Mapping[model.Key, model.Resource]:
        control = self._rooms.control
        return await self._live.run(lambda: control.all(control.published()))

    async def publisher(
        self, authorization: bytes | None, tenant: TenantId, action: Action, key: model.Key
    ) -> model.Actor | Declined:
        visitor = await admit(self._rooms, authorization)
        if isinstance(visitor, Trouble):
            return await self._refuse(None, action, visitor)
        known = await self._live.run(self._rooms.control.get, key)
        permit = visitor.may(action, tenant if known is None else known.tenant, known or key)
        return await self._refuse(visitor, action, permit) if isinstance(permit, Trouble) else visitor.actor_at(tenant)

    async def reader(self, authorization: bytes | None, tenant: TenantId) -> Declined | None:
        if self._rooms.catalog_without_token:
            return None
        visitor = await admit(self._rooms, authorization)
        if isinstance(visitor, Trouble):
            return await self._refuse(None, "read", visitor)
        # Whoever may call a tenant's servers may know which there are; and whoever administers them.
        permit = None if visitor.caller.tenant == tenant else visitor.may("server:list", tenant)
        return await self._refuse(visitor, "read", permit) if isinstance(permit, Trouble) else None

    async def commit(self, changes: Sequence[model.Change], actor: model.Actor, why: str) -> model.Committed | Declined:
        done = await self._live.commit(changes, actor, why)
        return Declined(int(done.status), done.refusal.public_text, done.headers) if isinstance(done, Trouble) else done

    async def _refuse(self, visitor: Visitor | None, action: str, told: Trouble) -> Declined:
        if visitor is None:
            told = await record.turned_away(self._rooms, "") or told
        if Reason.FLOODED not in told.refusal.reasons:
            await record.refused(self._rooms, visitor, f"catalog {action}", told)
        return Declined(int(told.status), told.refusal.public_text, told.headers)
