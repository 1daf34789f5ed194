"""Search over servers and their tools."""

from collections.abc import Mapping

from tallystick.api.finding import Entry, fitting
from tallystick.api.http import Trouble, message, read_cursor, write_cursor
from tallystick.api.routes.model import Asked, Result
from tallystick.api.routes.state.resources import Kind, scope_of
from tallystick.control import model
from tallystick.remote import messages
from tallystick.terms import TenantId


async def search(asked: Asked) -> Result:
    """Find servers and tools: all words, and every filter."""
    query = asked.query(messages.asked.Search)
    if isinstance(query, Trouble):
        return query
    return await _search(asked, query, "state:search")


async def tools(asked: Asked) -> Result:
    """List tools."""
    query = asked.query(messages.asked.ToolSearch)
    if isinstance(query, Trouble):
        return query
    members = {name: getattr(query, name) for name in query.__struct_fields__}
    return await _search(asked, messages.asked.Search(**members, of="tools"), "state:search")


async def tools_of(asked: Asked) -> Result:
    """List the tools of one server."""
    refused = asked.plain()
    found = refused or await Kind("Server").find(asked, "get")
    if isinstance(found, Trouble):
        return found
    permit, server = found
    everything = await asked.live.run(asked.rooms.control.all)
    entries = asked.live.catalogue.entries(everything)
    items = [entry.found for entry in entries if entry.found.server == server.name and entry.found.of == "tool"]
    return permit, message(messages.told.Findings(items, len(items)))


async def _search(asked: Asked, query: messages.asked.Search, action: str) -> Result:
    scope = scope_of(asked, action, query.tenant)
    if isinstance(scope, Trouble):
        return scope
    after = read_cursor(query, query.cursor)
    if isinstance(after, Trouble):
        return after
    permit, tenants = scope
    everything = await asked.live.run(asked.rooms.control.all)
    found = await asked.live.run(_find, asked, everything, query, tenants)
    start = next((at for at, entry in enumerate(found) if after is None or entry.place > after), len(found))
    page = found[start : start + query.limit]
    then = write_cursor(query, page[-1].place) if start + query.limit < len(found) and page else None
    return permit, message(messages.told.Findings([entry.found for entry in page], len(found), then))


def _find(
    asked: Asked,
    everything: Mapping[model.Key, model.Resource],
    query: messages.asked.Search,
    tenants: frozenset[TenantId],
) -> list[Entry]:
    entries = asked.live.catalogue.entries(everything)
    seen: dict[str, bool] = {}
    found: list[Entry] = []
    for entry in fitting(entries, query):
        name = entry.found.server
        if name not in seen:
            seen[name] = entry.server.tenant in tenants and asked.visitor.sees(entry.server)
        if seen[name]:
            found.append(entry)
    return found
