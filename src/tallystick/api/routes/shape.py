"""Resources of control state as messages, and back. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from tallystick.api.http import Trouble, place_of, trouble
from tallystick.control import declare, entries, model, webhooks
from tallystick.remote import messages
from tallystick.settings import Problem
from tallystick.snapshot import Snapshot
from tallystick.terms import Reason, Refusal, TenantId

_NO_NOTICES: Final[tuple[str, ...]] = ()


def told(resource: model.Resource, notices: tuple[str, ...] = _NO_NOTICES) -> messages.resources.Resource:
    """Return a resource as the API tells it."""
    # INVARIANT: a secret's value is never told, whatever the store hands out.
    spec: dict[str, object] = {"set": True} if resource.kind == "Secret" else dict(resource.spec)
    return messages.resources.Resource(
        kind=resource.kind,
        metadata=messages.resources.Metadata(
            name=resource.name,
            tenant=resource.tenant,
            labels=dict(resource.labels),
            owner=resource.owner,
            version=resource.version,
            revision=resource.revision,
            created=resource.created,
            changed=resource.changed,
        ),
        spec=spec,
        status=messages.resources.Status(resource.state, dict(resource.status), list(notices)),
    )


def change(entry: entries.Entry) -> messages.resources.Change:
    """Return one entry of the history as the API tells it."""
    tenant = next((found.tenant for found in (entry.after, entry.before) if found is not None), TenantId(""))
    return messages.resources.Change(
        revision=entry.revision,
        at=entry.at,
        actor=entry.actor.name,
        why=entry.why,
        kind=entry.key.kind,
        name=entry.key.name,
        tenant=tenant,
        before=None if entry.before is None else told(entry.before),
        after=None if entry.after is None else told(entry.after),
    )


def delivery(status: webhooks.HookStatus) -> dict[str, object]:
    """Return how a webhook does, as its mark `delivery` tells it.

    `behind`: revisions that it has not been told of; `failing`: why the event at the head of its line is not taken, ""
    where nothing is wrong; `next_at`: when that is tried again (RFC 3339, null: at once); `dead`: what was put aside.
    """
    again = datetime.fromtimestamp(status.next_at, UTC).isoformat(timespec="seconds") if status.next_at else None
    return {
        "told": status.revision,
        "behind": status.behind,
        "sent": status.sent,
        "tries": status.tries,
        "failing": status.failing,
        "next_at": again,
        "dead": [dead._asdict() for dead in status.dead],
    }


def review(found: entries.Review, tenant: TenantId) -> messages.resources.Review:
    """Return one step as the API tells it."""
    return messages.resources.Review(
        kind=found.key.kind,
        name=found.key.name,
        tenant=tenant,
        at=found.at,
        actor=found.actor.name,
        before=found.origin,
        to=found.to,
        comment=found.comment,
        conditions=list(found.conditions),
        expires=found.expires,
        definition=found.definition,
        unmet=list(found.unmet),
        revision=found.revision,
    )


def wanted(message: messages.resources.Resource, key: model.Key, tenant: TenantId) -> model.Put | Trouble:
    """Return the change that a message asks for; what Tallystick says itself (owner, status ...) is not looked at."""
    if (message.kind, message.metadata.name) != key:
        text = f"The body is of {message.kind} {message.metadata.name}, and the path of {key.kind} {key.name}."
        return trouble("invalid", Reason.DOCUMENT_INVALID, text)
    metadata: dict[str, object] = {"name": key.name, "labels": message.metadata.labels}
    if tenant:
        metadata["tenant"] = tenant
    document = {"apiVersion": message.api_version, "kind": key.kind, "metadata": metadata, "spec": message.spec}
    (found, *_) = declare.read_mappings([("body", document)])
    if isinstance(found, model.Put):
        return found
    return unreadable((found, *_), "The resource cannot be read; nothing was changed.")


def unreadable(found: Iterable[model.Put | Problem], text: str) -> Trouble:
    """Return every place of a document that cannot be read."""
    places = tuple(place_of(problem) for problem in found if isinstance(problem, Problem))
    return Trouble(Refusal("invalid", (Reason.DOCUMENT_INVALID,), text), places)


def notices(snapshot: Snapshot | None, key: model.Key) -> tuple[str, ...]:
    """Return what the control state in force has to say of a resource."""
    if snapshot is None:
        return ()
    return tuple(_sentence(found) for found in snapshot.notices if key_of(found) == key)


def key_of(problem: Problem) -> model.Key | None:
    """Return the resource whose document a notice is about."""
    folder, _, rest = problem.file.partition("/")
    kind = messages.resources.PLURALS.get(folder)
    name = rest.rpartition("/")[2].rpartition(".")[0]
    return model.Key(kind, name) if kind is not None and name else None


def _sentence(problem: Problem) -> str:
    return (
        f"{problem.field}: {problem.what} ({problem.remedy})" if problem.field else f"{problem.what} ({problem.remedy})"
    )


def merged(resource: messages.resources.Resource, patch: Mapping[str, object]) -> object:
    """Return a resource after a JSON Merge Patch (RFC 7396)."""
    return _merge(msgspec.to_builtins(resource), patch)


def _merge(target: object, patch: object) -> object:
    if not isinstance(patch, Mapping):
        return patch
    result: dict[object, object] = dict(target) if isinstance(target, Mapping) else {}  # pyright: ignore[reportUnknownArgumentType] - JSON
    for name, value in patch.items():  # pyright: ignore[reportUnknownVariableType] - JSON
        if value is None:
            result.pop(name, None)  # pyright: ignore[reportUnknownArgumentType] - JSON
        else:
            result[name] = _merge(result.get(name), value)  # pyright: ignore[reportUnknownArgumentType] - JSON
    return result
