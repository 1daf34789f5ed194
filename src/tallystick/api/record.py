"""Refusals of the console as leaves: whoever is turned away, and whatever a visitor is refused."""

from tallystick import audit
from tallystick.api.admit import Visitor
from tallystick.api.http import Trouble, trouble
from tallystick.api.rooms import ConsoleRooms
from tallystick.terms import Reason, TenantId

ROUTE = "console"


async def turned_away(rooms: ConsoleRooms, address: str) -> Trouble | None:
    """Return the answer for nobody known from whom too much was refused, which gets no leaf; None while it gets one."""
    now = rooms.clock()
    left = rooms.flood.due(now)
    flooded = trouble("limited", Reason.FLOODED, "Too many refused requests. Wait, and sign in.")
    if left is not None:
        await _append(
            rooms,
            audit.Denial(
                rooms.new_id(), now, rooms.platform, audit.Target(ROUTE), flooded.refusal, 0, requests=left.requests
            ),
        )
    if rooms.flood.strike(address, now):
        return None
    return Trouble(flooded.refusal, headers={"retry-after": str(rooms.flood.retry_after_s(now))})


async def refused(rooms: ConsoleRooms, visitor: Visitor | None, method: str, told: Trouble) -> None:
    """Record a refusal. Where it cannot be written nothing was done either, so nothing is lost."""
    target = audit.Target(ROUTE, method)
    caller = None if visitor is None or visitor.operator else visitor.caller
    denial = audit.Denial(
        id=rooms.new_id(),
        at=rooms.clock(),
        tenant=_tenant(rooms, told.tenant),
        target=target,
        refusal=told.refusal,
        request_bytes=0,
        caller=caller,
        decision=told.decision,
    )
    await _append(rooms, denial)


def _tenant(rooms: ConsoleRooms, tenant: TenantId | None) -> TenantId:
    # A tenant that does not exist has no log: a request must not open one.
    snapshot = rooms.snapshot()
    is_known = tenant is not None and snapshot is not None and tenant in snapshot.registry.tenants
    return tenant if is_known and tenant is not None else rooms.platform


async def _append(rooms: ConsoleRooms, denial: audit.Denial) -> None:
    try:
        await rooms.append(denial.tenant, audit.encode(denial))
    except audit.Unwritable:
        return
