"""Leaves about a configuration that is to replace another: the policies and the servers that differ. Pure."""

from collections.abc import Callable, Iterator

from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.registry import Server
from tallystick.snapshot import Snapshot
from tallystick.terms import Clock, TenantId


def changed(
    before: Snapshot, after: Snapshot, tenant: TenantId, clock: Clock, new_id: Callable[[], str]
) -> Iterator[tuple[bytes, bytes]]:
    """Yield (topic, leaf) for what differs between two configurations in a tenant's eyes; nothing where nothing does.

    What was changed while no gateway ran is told by the next `config` leaf's snapshot alone.
    """
    if before.bundle.digest != after.bundle.digest:
        fields: dict[str, object] = {
            "bundle": after.bundle.digest,
            "previous": before.bundle.digest,
            "snapshot": after.digest,
        }
        yield b"policy", event(Event("policy", new_id(), clock(), tenant, fields))
    old, new = _known(before, tenant), _known(after, tenant)
    if old != new:
        fields = {
            "added": sorted(new.keys() - old.keys()),
            "changed": sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
            "removed": sorted(old.keys() - new.keys()),
            "snapshot": after.digest,
        }
        yield b"registry", event(Event("registry", new_id(), clock(), tenant, fields))


def _known(snapshot: Snapshot, tenant: TenantId) -> dict[str, object]:
    """What is known of each server (by its name) and tool (server/tool) of a tenant, for comparison."""
    known: dict[str, object] = {}
    for server in snapshot.registry.servers.values():
        if server.tenant == tenant:
            known[server.name] = _facts(server)
            known |= {
                f"{server.name}/{tool.id}": (tool.digest, tool.operation, tool.risk, tool.labels)
                for tool in server.tools.values()
            }
    return known


def _facts(server: Server) -> tuple[object, ...]:
    return server.title, server.owner, server.transport, server.limits
