"""Steps of the lifecycle and their reviews."""

from dataclasses import dataclass
from typing import Final

from tallystick.api.admit import Permit, Visitor
from tallystick.api.http import Trouble, etag_of, message, read_cursor, trouble, write_cursor
from tallystick.api.routes import shape
from tallystick.api.routes.model import Asked, Result
from tallystick.api.routes.state.resources import Kind, check_version, scope_of
from tallystick.control import entries, lifecycle, model
from tallystick.policy import console
from tallystick.remote import messages
from tallystick.terms import Reason

MOST: Final = 1_000_000
"""Changes of one resource: all of them."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The handlers of one reviewed kind."""

    kind: model.Kind

    async def step(self, asked: Asked) -> Result:
        """Take a step, if its gates are met."""
        how, sent = asked.query(messages.asked.Dry), asked.message(messages.asked.Step)
        if isinstance(how, Trouble):
            return how
        if isinstance(sent, Trouble):
            return sent
        found = await Kind(self.kind).find(asked, "get")
        if isinstance(found, Trouble):
            return found
        resource = found[1]
        permit = self._may(asked.visitor, resource, sent.to)
        if isinstance(permit, Trouble):
            return permit
        # Stopping something must work in a hurry, and is never the wrong version of it.
        stale = None if sent.to == "suspended" else check_version(asked, resource)
        if stale is not None:
            return stale
        change = model.Step(
            resource.key,
            sent.to,
            sent.comment,
            tuple(sent.conditions),
            sent.expires,
            sent.definition,
            None if sent.to == "suspended" else resource.version,
        )
        done = await asked.live.commit(
            [change], asked.visitor.actor_at(resource.tenant), how.why or sent.comment, dry=how.dry_run
        )
        if isinstance(done, Trouble):
            return done
        after = next((changed.after for changed in done.changes if changed.key == resource.key), None) or resource
        return permit, message(shape.told(after), etag=etag_of(after))

    async def reviews(self, asked: Asked) -> Result:
        """Read every step that was taken or refused."""
        refused = asked.plain()
        found = refused or await Kind(self.kind).find(asked, "reviews")
        if isinstance(found, Trouble):
            return found
        permit, resource = found
        steps = await asked.live.run(_steps, asked, resource)
        return permit, message(messages.resources.Reviews([shape.review(step, resource.tenant) for step in steps]))

    def _may(self, visitor: Visitor, resource: model.Resource, to: model.State) -> Permit | Trouble:
        verb = lifecycle.verb(resource.state, to)
        if verb is None:
            # Which steps there are is no secret to whoever may read the resource.
            text = f"{resource.key} is {resource.state} and cannot become {to}."
            told = trouble("conflict", Reason.GATE_UNMET, text)
            return Trouble(told.refusal, unmet=(f"no_such_step: {text}",), tenant=resource.tenant)
        return visitor.may(console.action_of(self.kind, verb), resource.tenant, resource)


def _steps(asked: Asked, resource: model.Resource) -> tuple[entries.Review, ...]:
    """Return the steps that were taken or refused since the name is this tenant's. Blocks.

    INVARIANT: what another tenant's reviewers wrote of a namesake is not this tenant's to read.
    """
    control = asked.rooms.control
    steps = control.reviews(resource.key)
    if not steps:
        return ()
    since = ""
    for entry in control.history(resource.key, 0, MOST):
        if any(found is not None and found.tenant != resource.tenant for found in (entry.before, entry.after)):
            since = entry.at
    return tuple(step for step in steps if step.at > since)


async def every_review(asked: Asked) -> Result:
    """Read the steps of everything, for oversight: newest resources by name, each with its steps."""
    query = asked.query(messages.asked.Listing)
    if isinstance(query, Trouble):
        return query
    scope = scope_of(asked, "review:list", query.tenant)
    if isinstance(scope, Trouble):
        return scope
    after = read_cursor(query, query.cursor)
    if isinstance(after, Trouble):
        return after
    permit, tenants = scope
    everything = await asked.live.run(asked.rooms.control.all)
    found = (
        resource
        for key, resource in everything.items()
        if key.kind in model.REVIEWED and resource.tenant in tenants and (after is None or str(key) > after)
    )
    keys = sorted(found, key=lambda resource: str(resource.key))
    items: list[messages.resources.Review] = []
    for position, resource in enumerate(keys, start=1):
        steps = await asked.live.run(_steps, asked, resource)
        items += [shape.review(step, resource.tenant) for step in steps]
        if len(items) >= query.limit and position < len(keys):
            return permit, message(messages.resources.Reviews(items, write_cursor(query, str(resource.key))))
    return permit, message(messages.resources.Reviews(items))
