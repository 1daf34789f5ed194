"""Sign-ins and tokens of the development issuer, in the log of the tenant that trusts it."""

from collections.abc import Awaitable, Callable

from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.identity.issuer_dev import DevelopmentIssuer, Happened
from tallystick.terms import Clock, TenantId


def record_sign_ins(
    issuer: DevelopmentIssuer,
    append: Callable[[TenantId, bytes], Awaitable[int]],
    tenant_of: Callable[[str], TenantId],
    clock: Clock,
    new_id: Callable[[], str],
) -> None:
    """Have the issuer answer nobody before its answer is on record. `tenant_of` takes the issuer's URL."""

    async def tell(happened: Happened) -> None:
        tenant = tenant_of(issuer.issuer_url)
        await append(tenant, event(Event(happened.kind, new_id(), clock(), tenant, happened.fields)))

    issuer.tell = tell
