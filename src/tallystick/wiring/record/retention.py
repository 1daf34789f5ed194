"""The configured retention classes, told to the record before calls are served under them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict

from tallystick.settings import Settings
from tallystick.terms import TenantId

_OPERATOR = "tally.yaml"


async def tell_classes(
    order: Callable[[Mapping[str, object]], Awaitable[Mapping[str, object]]],
    tenants: Iterable[TenantId],
    settings: Settings,
) -> None:
    """Have every tenant's record keep payloads by these classes; raises TallyError. Telling them again is no change."""
    classes = [asdict(one) for one in settings.audit.classes]
    for tenant in tenants:
        await order({"order": "retention-classes", "tenant": tenant, "operator": _OPERATOR, "classes": classes})
