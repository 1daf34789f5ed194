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
    # INVARIANT: asked of what is published: a route is built for those alone whom it lets in, since building takes a
    # time that tells others that it is there, and memory.
    entry = snapshot.publications.get(route)
    # INVARIANT: the route of another tenant, and one that does not let its caller in, are answered exactly like one
    # that does not exist; only the detail, which never leaves, says which it was.
    if entry is None or entry.tenant != caller.tenant:
        return _unknown(route)
    if entry.entrance is None or entry.entrance.admit(caller, now) is not None:
        return snapshot.routes[route]
    return _unknown(f"{route}: outside of its audience")


def resolve(snapshot: Snapshot | None, route: str, name: str, caller: Caller, now: float) -> RoutedTool | Refusal:
    """Return the tool that `route` publishes as `name` to a caller."""
    found = find_route(snapshot, route, caller, now)
    return found if isinstance(found, Refusal) else found.resolve(name, caller, now)


def _unknown(detail: str) -> Refusal:
    return Refusal("not_found", (Reason.ROUTE_UNKNOWN,), "There is no such server or toolset. Check the URL.", detail)
