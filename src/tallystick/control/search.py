"""Which resources are asked for, page by page. Pure: everything is in memory anyway."""

from collections.abc import Mapping
from heapq import nsmallest

from tallystick.control.entries import Where
from tallystick.control.model import Key, Kind, Page, Resource


def page(resources: Mapping[Key, Resource], kind: Kind, where: Where, after: str | None, limit: int) -> Page:
    """Return the first `limit` resources of a kind after a name, in order of name (code points)."""
    found = (
        resource
        for key, resource in resources.items()
        if key.kind == kind and (after is None or key.name > after) and fits(resource, where)
    )
    first = nsmallest(limit + 1, found, key=lambda resource: resource.name)
    more = len(first) > limit
    return Page(tuple(first[:limit]), first[limit - 1].name if more and limit else None)


def fits(resource: Resource, where: Where) -> bool:
    """Tell whether a resource is one of those that are asked for."""
    return (
        (where.tenants is None or resource.tenant in where.tenants)
        and (where.state is None or resource.state == where.state)
        and (where.owner is None or resource.owner == where.owner)
        and all(resource.labels.get(name) == label for name, label in where.labels.items())
        and (not where.text or where.text.casefold() in _said(resource).casefold())
    )


def _said(resource: Resource) -> str:
    return "\n".join(
        [resource.name, *(str(resource.spec.get(name, "")) for name in ("title", "description", "purpose"))]
    )
