"""Resources: list, get, put, patch, delete, history. One set of handlers for every kind."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

import msgspec

from tallystick.api.admit import Permit, Visitor, unknown
from tallystick.api.http import (
    Answer,
    Trouble,
    body_trouble,
    etag_of,
    message,
    read_cursor,
    read_json,
    revision_of,
    trouble,
    write_cursor,
)
from tallystick.api.routes import shape
from tallystick.api.routes.model import Asked, Result
from tallystick.control import entries, model
from tallystick.policy import console
from tallystick.registry import kinds
from tallystick.remote import messages
from tallystick.terms import Reason, TenantId


@dataclass(frozen=True, slots=True)
class Kind:
    """The handlers of one kind of resource."""

    kind: model.Kind

    def action(self, verb: str) -> str:
        """Return the action of a verb on this kind."""
        return console.action_of(self.kind, verb)

    async def list(self, asked: Asked) -> Result:
        """List what the visitor may read."""
        listing = asked.query(messages.asked.Listing)
        if isinstance(listing, Trouble):
            return listing
        after = read_cursor(listing, listing.cursor)
        if isinstance(after, Trouble):
            return after
        scope = scope_of(asked, self.action("list"), listing.tenant, self.kind)
        if isinstance(scope, Trouble):
            return scope
        permit, tenants = scope
        page = await asked.live.run(asked.rooms.control.page, self.kind, where(listing, tenants), after, listing.limit)
        seen = [found for found in page.resources if asked.visitor.sees(found)]
        sent = await self._deliveries(asked)
        items = [self._told(asked, found, sent.get(found.name)) for found in seen]
        then = write_cursor(listing, page.after) if page.after is not None else None
        return permit, message(messages.resources.Resources(items, then))

    async def get(self, asked: Asked) -> Result:
        """Read one resource."""
        refused = asked.plain()
        found = refused or await self.find(asked, "get")
        if isinstance(found, Trouble):
            return found
        permit, resource = found
        etag = etag_of(resource)
        # How a webhook does changes without it, so what somebody read before is never still true.
        if etag in _etags(asked.headers.get("if-none-match", "")) and self.kind != "Webhook":
            return permit, Answer(HTTPStatus.NOT_MODIFIED, b"", {"etag": etag})
        sent = await self._deliveries(asked)
        return permit, message(self._told(asked, resource, sent.get(resource.name)), etag=etag)

    async def put(self, asked: Asked) -> Result:
        """Create a resource or replace its spec."""
        how, sent = asked.query(messages.asked.Dry), asked.message(messages.resources.Resource)
        if isinstance(how, Trouble) or isinstance(sent, Trouble):
            return how if isinstance(how, Trouble) else sent if isinstance(sent, Trouble) else _never()
        return await self._write(asked, sent, how)

    async def patch(self, asked: Asked) -> Result:
        """Change parts of a resource by a JSON Merge Patch (RFC 7396)."""
        how, patch = asked.query(messages.asked.Dry), read_json(asked.body)
        if isinstance(how, Trouble):
            return how
        if not isinstance(patch, dict):
            return patch if isinstance(patch, Trouble) else body_trouble("", "a merge patch is an object", "body")
        found = await self.find(asked, "put")
        if isinstance(found, Trouble):
            return found
        if self.kind == "Secret":
            return body_trouble("", "a secret cannot be read, so it cannot be changed in part: put it", "body")
        try:
            sent = msgspec.convert(shape.merged(self._told(asked, found[1]), patch), messages.resources.Resource)  # pyright: ignore[reportUnknownArgumentType] - JSON
        except msgspec.ValidationError as error:
            return trouble("invalid", Reason.DOCUMENT_INVALID, f"The patch leaves no resource: {error}")
        return await self._write(asked, sent, how)

    async def delete(self, asked: Asked) -> Result:
        """Remove a resource."""
        how = asked.query(messages.asked.Dry)
        found = how if isinstance(how, Trouble) else await self.find(asked, "delete")
        if isinstance(how, Trouble) or isinstance(found, Trouble):
            return found if isinstance(found, Trouble) else _never()
        permit, resource = found
        stale = check_version(asked, resource)
        if stale is not None:
            return stale
        change = model.Remove(resource.key, resource.owner if how.take_over else "", resource.version, how.take_over)
        done = await asked.live.commit([change], asked.visitor.actor_at(resource.tenant), how.why, dry=how.dry_run)
        if isinstance(done, Trouble):
            return done
        return permit, Answer(HTTPStatus.NO_CONTENT)

    async def history(self, asked: Asked) -> Result:
        """Read every change of a resource, oldest first; also of one that is gone."""
        query = asked.query(messages.asked.Page)
        if isinstance(query, Trouble):
            return query
        after = read_cursor(query, query.cursor)
        if isinstance(after, Trouble):
            return after
        key = self.key(asked)
        if key is None:
            return unknown(model.Key(self.kind, asked.path["name"]))
        start = revision_of(after, 0)
        if isinstance(start, Trouble):
            return start
        found, seen = await self._page(asked, key, start, query.limit)
        last = next((kept for entry in seen or found for kept in (entry.after, entry.before) if kept is not None), None)
        if last is None:
            return unknown(key)
        permit = asked.visitor.may(self.action("history"), last.tenant, last)
        if isinstance(permit, Trouble):
            return permit
        then = write_cursor(query, str(found[-1].revision)) if len(found) >= query.limit else None
        return permit, message(messages.resources.Changes([shape.change(entry) for entry in seen], then))

    async def _page(
        self, asked: Asked, key: model.Key, after: int, limit: int
    ) -> tuple[Sequence[entries.Entry], Sequence[entries.Entry]]:
        """Return the next changes of which the visitor may read any, and those.

        INVARIANT: a name may have been another tenant's before, so each change is asked for by itself.
        """
        while True:
            found = await asked.live.run(asked.rooms.control.history, key, after, limit)
            seen = [entry for entry in found if is_seen(asked.visitor, entry)]
            if seen or len(found) < limit:
                return found, seen
            after = found[-1].revision

    async def find(self, asked: Asked, verb: str) -> tuple[Permit, model.Resource] | Trouble:
        """Return the resource of the path, if the visitor may do this with it."""
        key = self.key(asked)
        found = None if key is None else await asked.live.run(asked.rooms.control.get, key)
        if found is None:
            if not asked.visitor.roles:
                return nowhere(asked, self.action(verb))
            return unknown(model.Key(self.kind, asked.path["name"]))
        permit = asked.visitor.may(self.action(verb), found.tenant, found)
        return permit if isinstance(permit, Trouble) else (permit, found)

    def key(self, asked: Asked) -> model.Key | None:
        """Return the key of the path; None for what no resource can be called."""
        name = asked.path["name"]
        return model.Key(self.kind, name) if _names[self.kind](name) else None

    async def _write(self, asked: Asked, sent: messages.resources.Resource, how: messages.asked.Dry) -> Result:
        key = self.key(asked)
        if key is None:
            return body_trouble("name", "a name has a to z, 0 to 9 and -, at most 63", "path")
        everything = await asked.live.run(asked.rooms.control.all)
        known, tenant = everything.get(key), _tenant(sent, key, everything)
        permit = self._may_write(asked, tenant, known)
        if isinstance(permit, Trouble):
            return permit
        stale = check_version(asked, known)
        if stale is not None:
            return stale
        read = shape.wanted(sent, key, tenant)
        if isinstance(read, Trouble):
            return read
        put = replace(read, expected=0 if known is None else known.version, take_over=how.take_over)
        done = await asked.live.commit([put], asked.visitor.actor_at(tenant), how.why, dry=how.dry_run)
        if isinstance(done, Trouble):
            return done
        after = next((changed.after for changed in done.changes if changed.key == key), known)
        if after is None:
            return unknown(key)
        status = HTTPStatus.CREATED if known is None and not how.dry_run else HTTPStatus.OK
        return permit, message(shape.told(after), status, etag_of(after))

    def _may_write(self, asked: Asked, tenant: TenantId, known: model.Resource | None) -> Permit | Trouble:
        key = model.Key(self.kind, asked.path["name"])
        if known is None:
            return asked.visitor.may(self.action("put"), tenant, key)
        permit = asked.visitor.may(self.action("put"), known.tenant, known)
        if isinstance(permit, Trouble) and permit.refusal.code == "not_found":
            # The name is somebody else's. That it is taken cannot be hidden from who wants to take it.
            mine = asked.visitor.may(self.action("put"), tenant, key)
            return mine if isinstance(mine, Trouble) else trouble("conflict", Reason.NAME_TAKEN, f"{key} is taken.")
        if isinstance(permit, Trouble) or tenant == known.tenant:
            return permit
        # Moving a resource to another tenant takes the right in both.
        return asked.visitor.may(self.action("put"), tenant, key)

    async def _deliveries(self, asked: Asked) -> Mapping[str, Mapping[str, object]]:
        """Return how each webhook does; nothing for other kinds."""
        outgoing = asked.rooms.outgoing
        if self.kind != "Webhook" or outgoing is None:
            return {}
        return {status.name: shape.delivery(status) for status in await asked.live.run(outgoing.status)}

    def _told(
        self, asked: Asked, resource: model.Resource, delivery: Mapping[str, object] | None = None
    ) -> messages.resources.Resource:
        found = shape.told(resource, shape.notices(asked.rooms.snapshot(), resource.key))
        if found.status is None or delivery is None:
            return found
        marks = {**found.status.marks, "delivery": dict(delivery)}
        return msgspec.structs.replace(found, status=msgspec.structs.replace(found.status, marks=marks))


def is_seen(visitor: Visitor, entry: entries.Entry) -> bool:
    """Tell whether a visitor may read a change."""
    # Both: what moved between tenants is seen by who may read it before and after.
    return all(visitor.sees(found) for found in (entry.before, entry.after) if found is not None)


def _tenant(
    sent: messages.resources.Resource, key: model.Key, everything: Mapping[model.Key, model.Resource]
) -> TenantId:
    """Return whose a resource is to be: a tenant is its own, and a pin without one is its server's."""
    if key.kind == "Tenant":
        return TenantId(key.name)
    server = everything.get(model.Key("Server", key.name))
    if key.kind == "Pin" and not sent.metadata.tenant and server is not None:
        return server.tenant
    return TenantId(sent.metadata.tenant)


_names: Final = {
    kind: re.compile(kinds.POLICY_NAME if kind == "Policy" else messages.resources.NAME).fullmatch
    for kind in messages.resources.PLURALS.values()
}
"""What a name of each kind looks like; `fullmatch`, because `$` would let a line end pass."""


def scope_of(
    asked: Asked, action: str, tenant: str | None, kind: str = ""
) -> tuple[Permit, frozenset[TenantId]] | Trouble:
    """Return the tenants in which the visitor may do something: the one that is asked for, or all there are."""
    snapshot = asked.rooms.snapshot()
    known = () if snapshot is None else tuple(snapshot.registry.tenants)
    named = None if tenant is None else TenantId(tenant)
    tenants = asked.visitor.tenants(known, action, kind) if named is None else frozenset({named})
    permit = asked.visitor.may(action, min(tenants, default=asked.visitor.caller.tenant))
    return permit if isinstance(permit, Trouble) else (permit, tenants)


def nowhere(asked: Asked, action: str) -> Trouble:
    """Return that the visitor may do something in no tenant at all."""
    refused = asked.visitor.may(action, asked.visitor.caller.tenant)
    return refused if isinstance(refused, Trouble) else _never()


def where(listing: messages.asked.Listing, tenants: frozenset[TenantId]) -> entries.Where:
    """Return the filters of a list."""
    labels: dict[str, str] = {}
    if listing.label is not None:
        name, _, value = listing.label.partition("=")
        labels[name] = value
    return entries.Where(frozenset(tenants), listing.state, listing.owner, labels, listing.q)


def check_version(asked: Asked, known: model.Resource | None) -> Trouble | None:
    """Return why a change does not fit the version that there is: RFC 9110, 13.1, and RFC 6585, 3."""
    given, absent = asked.headers.get("if-match"), asked.headers.get("if-none-match")
    if known is None:
        return None if given is None else _stale(0)
    if absent is not None and (absent.strip() == "*" or etag_of(known) in _etags(absent)):
        return _stale(known.version)
    if given is None:
        text = f"{known.key} exists: send its ETag as If-Match, so that nobody's change is lost."
        return trouble("conflict", Reason.PRECONDITION_REQUIRED, text)
    return None if given.strip() == "*" or etag_of(known) in _etags(given) else _stale(known.version)


def _stale(version: int) -> Trouble:
    text = "It was changed since you read it (or is not there any more). Read it again, and repeat the change."
    told = trouble("conflict", Reason.VERSION_CONFLICT, text)
    return Trouble(told.refusal, version=version)


def _etags(header: str) -> frozenset[str]:
    # A weak one (W/) never matches: versions are exact (RFC 9110, 13.1.1).
    return frozenset(part.strip() for part in header.split(","))


def _never() -> Trouble:
    return trouble("internal", Reason.INTERNAL, "Something failed inside the console.")
