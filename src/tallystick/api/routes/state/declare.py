"""Declared state: what applying documents would do, applying them, and documents of what there is."""

from collections.abc import Iterable, Mapping

from tallystick.api.admit import Permit, Visitor
from tallystick.api.http import Trouble, message, trouble
from tallystick.api.routes import shape
from tallystick.api.routes.model import Asked, Result
from tallystick.api.routes.state.resources import scope_of
from tallystick.control import declare, model
from tallystick.policy import console
from tallystick.remote import messages
from tallystick.terms import Reason, Refusal, TenantId


async def plan(asked: Asked) -> Result:
    """Say what applying would do."""
    return await _apply(asked, is_plan=True)


async def apply(asked: Asked) -> Result:
    """Apply documents as one change."""
    return await _apply(asked, is_plan=False)


async def export(asked: Asked) -> Result:
    """Return documents of everything that the visitor may read."""
    query = asked.query(messages.asked.Export)
    if isinstance(query, Trouble):
        return query
    scope = scope_of(asked, "state:export", query.tenant)
    if isinstance(scope, Trouble):
        return scope
    permit, tenants = scope
    everything = await asked.live.run(asked.rooms.control.all)
    chosen = [
        resource
        for resource in everything.values()
        if resource.tenant in tenants
        and query.kind in {None, resource.kind}
        and query.owner in {None, resource.owner}
        and asked.visitor.sees(resource)
    ]
    documents = [dict(document) for document in declare.to_documents(chosen)]
    head = await asked.live.run(asked.rooms.control.head)
    return permit, message(messages.declared.Exported(head, documents))


async def _apply(asked: Asked, *, is_plan: bool) -> Result:
    refused, sent = asked.no_query(), asked.message(messages.asked.Documents)
    if isinstance(sent, Trouble):
        return refused or sent
    scope = refused or scope_of(asked, "state:plan", None)
    if isinstance(scope, Trouble):
        return scope
    everything = await asked.live.run(asked.rooms.control.all)
    found = _plan(asked.visitor, everything, sent)
    if isinstance(found, Trouble):
        return found
    if is_plan:
        return scope[0], message(_told(found, None, dry=True))
    permit = _may(asked.visitor, everything, found.changes) or scope[0]
    if isinstance(permit, Trouble):
        return permit
    if found.conflicts and not sent.take_over:
        return _conflicts(found)
    dry = sent.dry_run
    done = await asked.live.commit(found.changes, _actor(asked.visitor, found), sent.why, dry=dry)
    if isinstance(done, Trouble):
        return done
    return permit, message(_told(found, None if dry or not done.changes else done.revision, dry=dry))


def _plan(
    visitor: Visitor, everything: Mapping[model.Key, model.Resource], sent: messages.asked.Documents
) -> declare.Plan | Trouble:
    sources = [(f"document {number}", document) for number, document in enumerate(sent.documents, start=1)]
    puts = declare.read_mappings(sources, sent.owner)
    changes = [put for put in puts if isinstance(put, model.Put)]
    if len(changes) != len(puts):
        return shape.unreadable(puts, "The documents cannot be read; nothing was changed.")
    seen = {key: resource for key, resource in everything.items() if visitor.sees(resource)}
    taken = next((put.key for put in changes if put.key in everything and put.key not in seen), None)
    if taken is not None:
        return trouble("conflict", Reason.NAME_TAKEN, f"{taken} is taken.")
    return declare.plan(seen, changes, sent.owner, prune=sent.prune, take_over=sent.take_over)


def _may(
    visitor: Visitor, everything: Mapping[model.Key, model.Resource], changes: Iterable[model.Change]
) -> Permit | Trouble | None:
    """Return the first right that is missing. INVARIANT: each change of a plan is asked for as if it came alone."""
    permit: Permit | None = None
    for change in changes:
        known = everything.get(change.key)
        verb = "delete" if isinstance(change, model.Remove) else "put"
        action = console.action_of(change.key.kind, verb)
        where = {known.tenant} if known is not None else set[TenantId]()
        if isinstance(change, model.Put):
            where.add(change.tenant)
        for tenant in sorted(where):
            found = visitor.may(action, tenant, known or change.key)
            if isinstance(found, Trouble):
                return found
            permit = found
    return permit


def _actor(visitor: Visitor, found: declare.Plan) -> model.Actor:
    # The roles that count for a gate are those that count wherever something changes.
    tenants = {item.tenant for item in found.items if item.action not in {"unchanged", "conflict"}}
    return visitor.actor_at(*sorted(tenants))


def _conflicts(found: declare.Plan) -> Trouble:
    places = tuple(
        messages.told.Place(str(item.key), "metadata.owner", item.note, "change it there, or take it over")
        for item in found.conflicts
    )
    text = "Another owner has some of these; nothing was changed. Take them over on purpose, or leave them out."
    return Trouble(Refusal("conflict", (Reason.OWNED_ELSEWHERE,), text), places)


def _told(found: declare.Plan, revision: int | None, *, dry: bool) -> messages.declared.Plan:
    items = [
        messages.declared.Planned(
            action=item.action,
            kind=item.key.kind,
            name=item.key.name,
            tenant=item.tenant,
            fields=[messages.declared.FieldChange(field.path, field.before, field.after) for field in item.differences],
            note=item.note,
        )
        for item in found.items
    ]
    return messages.declared.Plan(items, declare.tell(found), revision, dry)
