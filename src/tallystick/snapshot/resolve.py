"""Published names to tools. What a caller may not know of and what does not exist get the same answer."""

from tallystick.snapshot.model import Route, RoutedTool, Snapshot
from tallystick.terms import Caller, Reason, Refusal


def find_route(snapshot: Snapshot | None, route: str, caller: Caller, now: float) -> Route | Refusal:
    """Return the route `servers/<s>` or `toolsets/<t>` if it is of the caller's tenant and lets the caller in.

    `now` is in seconds since 1970; a grant that has ended by then lets nobody in.
    """
    if snapshot is None:
        text = "The gateway has no valid configuration yet. Try again later."
        return Refusal("unavailable", (Reason.SNAPSHOT_MISSING,), text, detail="no snapshot was ever accepted")
    found = snapshot.routes.get(route)
    # INVARIANT: the route of another tenant, and one that does not let its caller in, are answered exactly like one
    # that does not exist; only the detail, which never leaves, says which it was.
    if found is None or found.tenant != caller.tenant:
        return _unknown(route)
    return found if found.admit(caller, now) is not None else _unknown(f"{route}: outside of its audience")


def resolve(snapshot: Snapshot | None, route: str, name: str, caller: Caller, now: float) -> RoutedTool | Refusal:
    """Return the tool that `route` publishes as `name` to a caller."""
    found = find_route(snapshot, route, caller, now)
    if isinstance(found, Refusal):
        return found
    tool = found.tools.get(name)
    admitted = found.admit(caller, now)
    if tool is None or admitted is None or (admitted.tools is not None and name not in admitted.tools):
        return Refusal("not_found", (Reason.TOOL_UNKNOWN,), "There is no such tool here. List the tools again.", route)
    return tool


def _unknown(detail: str) -> Refusal:
    return Refusal("not_found", (Reason.ROUTE_UNKNOWN,), "There is no such server or toolset. Check the URL.", detail)
