"""What servers say of themselves: as approved, as seen last, how they differ; and asking one now."""

from collections.abc import Iterable, Mapping

from tallystick.api.http import Trouble, message, trouble
from tallystick.api.routes.model import Asked, Result
from tallystick.api.routes.state.lifecycle import MOST
from tallystick.api.routes.state.resources import Kind
from tallystick.control import entries, model
from tallystick.registry import definition
from tallystick.remote import messages
from tallystick.terms import Reason, Refusal, ServerId

plain = definition.plain
_SERVERS = Kind("Server")


async def show(asked: Asked) -> Result:
    """Show what a server says of itself, and what differs from what was approved."""
    refused = asked.plain()
    found = refused or await _SERVERS.find(asked, "definition")
    if isinstance(found, Trouble):
        return found
    return found[0], message(await _view(asked, found[1].name))


async def scan(asked: Asked) -> Result:
    """Ask the server now; what it says is compared with what was approved before this answers."""
    refused = asked.plain()
    found = refused or await _SERVERS.find(asked, "scan")
    if isinstance(found, Trouble):
        return found
    started = await _may_start(asked, found[1])
    if started is not None:
        return started
    if asked.rooms.definitions is None:
        return trouble("unavailable", Reason.NOT_OFFERED, "No gateway that asks servers runs beside this console.")
    failed = await asked.rooms.definitions.scan(found[1].name)
    if isinstance(failed, Refusal):
        return Trouble(failed, tenant=found[1].tenant)
    return found[0], message(await _view(asked, found[1].name))


async def _may_start(asked: Asked, server: model.Resource) -> Trouble | None:
    """Refuse to start what nobody has approved for whoever wrote it.

    INVARIANT: asking a server means to start its program, or to reach inside this network. What runs here is never one
    person's choice: it is approved, or somebody who could approve it asks, having written none of it. The account that
    the gateway runs as may do so anyway.
    """
    transport = plain.object_of(server.spec.get("transport"))
    is_inside = "stdio" in transport or plain.object_of(transport.get("http")).get("allow_special_addresses") is True
    if server.state == "approved" or not is_inside or asked.visitor.operator:
        return None
    permit = asked.visitor.may("server:approve", server.tenant, server)
    if isinstance(permit, Trouble):
        return permit
    past = await asked.live.run(asked.rooms.control.history, server.key, 0, MOST)
    if asked.visitor.actor.name not in _writers(past):
        return None
    text = f"You wrote {server.key}, and nobody has approved it yet: somebody else has to have it asked."
    told = trouble("denied", Reason.GATE_UNMET, text)
    return Trouble(told.refusal, unmet=("four_eyes",), tenant=server.tenant)


def _writers(past: Iterable[entries.Entry]) -> frozenset[str]:
    """Return the names of all who wrote a resource since it was last approved."""
    found: set[str] = set()
    for entry in past:
        before, after = entry.before, entry.after
        if before is not None and after is not None and before.state != after.state == "approved":
            found.clear()
        elif after is not None and (before is None or before.spec != after.spec):
            found.add(entry.actor.name)
    return frozenset(found)


async def _view(asked: Asked, server: str) -> messages.told.Definition:
    everything = await asked.live.run(asked.rooms.control.all)
    pin = everything.get(model.Key("Pin", server))
    others = {
        ServerId(key.name): _tool_names(resource.spec)
        for key, resource in everything.items()
        if key.kind == "Pin" and key.name != server and pin is not None and resource.tenant == pin.tenant
    }
    return await asked.live.run(_told, server, pin, others)


def _told(
    server: str, pin: model.Resource | None, others: Mapping[ServerId, tuple[str, ...]]
) -> messages.told.Definition:
    spec = dict(pin.spec) if pin is not None and pin.spec else None
    status: Mapping[str, object] = {} if pin is None else pin.status
    seen = plain.object_of(status.get("observed"))
    observed = dict(plain.object_of(seen.get("spec"))) or None
    before = None if spec is None else definition.of_document({**spec, "server": server})
    after = None if observed is None else definition.of_document({**observed, "server": server})
    findings: tuple[definition.Finding, ...] = ()
    if after is not None:
        findings = definition.inspect(after, others) if before is None else definition.diff(before, after, others)
    return messages.told.Definition(
        server=server,
        pinned=spec,
        pinned_digest=None if before is None else before.digest,
        observed=observed,
        observed_digest=str(seen.get("digest")) if seen else None,
        quarantined=dict(plain.object_of(status.get("quarantined"))),
        diff=definition.to_json(findings),
        text=definition.to_text(findings),
    )


def _tool_names(spec: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(str(plain.object_of(tool).get("name")) for tool in plain.list_of(spec.get("tools")))
