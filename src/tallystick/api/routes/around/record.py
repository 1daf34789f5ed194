"""Ways into the record, for oversight: a search over everything, and what was refused."""

from tallystick import audit
from tallystick.api.http import Trouble, message, trouble
from tallystick.api.routes.model import Asked, Result
from tallystick.remote import messages
from tallystick.terms import Reason, TenantId


async def records(asked: Asked) -> Result:
    """Search the record of a tenant."""
    query = asked.query(messages.asked.Record)
    return query if isinstance(query, Trouble) else await _search(asked, "record:search", query)


async def denials(asked: Asked) -> Result:
    """List what was refused in a tenant."""
    query = asked.query(messages.asked.Denied)
    if isinstance(query, Trouble):
        return query
    whole = messages.asked.Record(query.tenant, "denial", query.since, query.until, query.person, limit=query.limit)
    return await _search(asked, "denial:search", whole)


async def _search(asked: Asked, action: str, query: messages.asked.Record) -> Result:
    permit = asked.visitor.may(action, TenantId(query.tenant))
    if isinstance(permit, Trouble):
        return permit
    if asked.rooms.archive is None:
        return trouble("unavailable", Reason.NOT_OFFERED, "The record is not searched by this console.")
    question = audit.index.Query(
        tenant=query.tenant or None,
        kind=query.kind,
        since=query.since,
        until=query.until,
        person=query.person,
        server=query.server,
        tool=query.tool,
        limit=query.limit,
    )
    rows = await asked.rooms.archive.search(question)
    return permit, message(messages.told.Records([dict(row) for row in rows]))
