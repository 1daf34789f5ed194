"""Published names to tools. What a caller may not know of and what does not exist get the same answer."""

from tallystick.snapshot.model import Route, RoutedTool, Snapshot
from tallystick.terms import Reason, Refusal, TenantId


def find_route(snapshot: Snapshot | None, route: str, tenant: TenantId) -> Route | Refusal:
    """Return the route `servers/<s>` or `toolsets/<t>` if it belongs to `tenant`."""
    if snapshot is None:
        text = "The gateway has no valid configuration yet. Try again later."
        return Refusal("unavailable", (Reason.SNAPSHOT_MISSING,), text, detail="no snapshot was ever accepted")
    found = snapshot.routes.get(route)
    # INVARIANT: the route of another tenant is answered exactly like one that does not exist.
    if found is None or found.tenant != tenant:
        return Refusal(
            "not_found", (Reason.ROUTE_UNKNOWN,), "There is no such server or toolset. Check the URL.", route
        )
    return found


def resolve(snapshot: Snapshot | None, route: str, name: str, tenant: TenantId) -> RoutedTool | Refusal:
    """Return the tool that `route` publishes as `name` to `tenant`."""
    found = find_route(snapshot, route, tenant)
    if isinstance(found, Refusal):
        return found
    tool = found.tools.get(name)
    if tool is None:
        return Refusal("not_found", (Reason.TOOL_UNKNOWN,), "There is no such tool here. List the tools again.", route)
    return tool
