"""Whether some resource can meet a policy, as far as the resource's side of it goes.

Tools that do not exist yet stand in for every operation and risk, so that a guard-rail may precede what it guards. Of
the things that do exist, those that a policy cannot tell apart are tried once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Final

from tallystick.policy.cedar import Entities, PolicySet, Verdict, evaluate
from tallystick.policy.compiling.study import Study
from tallystick.policy.compiling.world import Known, Target, World
from tallystick.policy.model import OPERATIONS, RISKS, Uid
from tallystick.policy.schema import METHOD_ACTIONS, action_entities, entity, stand_in
from tallystick.terms import ServerId, TenantId

_ANYBODY: Final = Uid("User", "")
_EMPTY: Final = "{}"
_EVERY_SERVER: Final = Uid("Server", "*")
"""In all servers at once; no server has such a name."""


class Able:
    """Finds policies that nothing can meet; one that something met is not asked about while that is there."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._met: dict[Study, _Witness] = {}

    def unable(self, studies: Sequence[Study], world: World) -> tuple[Study, ...]:
        """Return the policies that nothing can meet."""
        standing = _Standing.of(world)
        before = {study: self._met[study] for study in studies if study in self._met}
        met = {study: known for study, known in before.items() if _is_there(known, world, standing)}
        met |= dict.fromkeys(_met_by_stand_ins([study for study in studies if study not in met], world), standing)
        for study in studies:
            found = None if study in met else _first_met(study, world)
            if found is not None:
                met[study] = found
        self._met = met
        return tuple(study for study in studies if study not in met)


def reaches(study: Study, target: Target) -> bool:
    """Tell whether the scope of a policy reaches a target, the caller apart."""
    action, resource = study.action, study.resource
    return (
        (study.tenant is None or study.tenant == target.tenant)
        and (action.exact is None or action.exact == target.action)
        and (action.within is None or any(uid.id in target.groups for uid in action.within))
        and (resource.exact is None or resource.exact == target.resource)
        and (resource.kind is None or resource.kind == target.resource.type)
        and (resource.within is None or any(uid in target.above for uid in resource.within))
    )


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the stand-ins wear and what they are in, as far as a policy can see it."""

    labels: tuple[str, ...]
    parents: tuple[tuple[TenantId, TenantId | None], ...]
    tenants: frozenset[TenantId]

    @classmethod
    def of(cls, world: World) -> "_Standing":
        return cls(world.labels, tuple(sorted(world.parents.items(), key=str)), frozenset(world.servers.values()))


_Witness = _Standing | Target


def _is_there(witness: _Witness, world: World, standing: _Standing) -> bool:
    if isinstance(witness, _Standing):
        return witness == standing
    kind, name = witness.resource.type, witness.resource.id
    if kind == "Tool":
        return name in world.tools and world.tool(world.tools[name]) == witness
    if kind == "Toolset":
        return name in world.toolsets and world.toolset(name) == witness
    return name in world.servers and world.method(witness.action.id, ServerId(name)) == witness


def _first_met(study: Study, world: World) -> Target | None:
    """Return a thing that exists and that meets the policy, or None if none does."""
    handle = None if study.is_open else PolicySet({study.policy.id: study.side})
    for target in _candidates(study, world):
        if reaches(study, target):
            if handle is None:
                return target
            verdict = _ask(handle, target.action, target.resource, Entities.of(target.entities))
            # One that cannot be evaluated might match.
            if verdict.errors or verdict.policy_ids:
                return target
    return None


def _candidates(study: Study, world: World) -> Iterator[Target]:
    """Yield what the policy names, and one of each kind of thing that it cannot tell apart."""
    named: dict[str, list[str]] = {}
    for uid in study.named:
        named.setdefault(uid.type, []).append(uid.id)
    if study.action.exact is not None and study.action.exact.id in world.tools:
        yield world.tool(world.tools[study.action.exact.id])
        return
    tools = frozenset((*named.get("Action", ()), *named.get("Tool", ())))
    servers = frozenset(ServerId(name) for name in named.get("Server", ()))
    if study.action.exact is None:
        yield from (world.tool(world.tools[name]) for name in sorted(tools) if name in world.tools)
        for server in sorted(servers):
            yield from (world.tool(tool) for tool in _alike(world.of_server.get(server, ()), tools, frozenset()))
        for group in world.classes:
            yield from (world.tool(tool) for tool in _alike(group, tools, servers))
    yield from _owners(study, world, servers, frozenset(named.get("Toolset", ())))


def _alike(tools: Iterable[Known], named: frozenset[str], servers: frozenset[ServerId]) -> Iterator[Known]:
    """Yield one tool of each class, and none that the policy could tell from the others of its class."""
    seen: set[tuple[object, ...]] = set()
    for tool in tools:
        facts = tool.facts
        alike = (facts.operation, facts.risk, facts.labels, facts.tenant)
        if alike not in seen and tool.name not in named and facts.server not in servers:
            seen.add(alike)
            yield tool


def _owners(study: Study, world: World, servers: frozenset[ServerId], toolsets: frozenset[str]) -> Iterator[Target]:
    tried: set[TenantId] = set()
    for server, tenant in world.servers.items():
        if server in servers or tenant not in tried:
            tried |= {tenant} - ({tenant} if server in servers else set())
            # The resource's side of a policy does not look at the action: one that its scope reaches is enough.
            targets = (world.method(action, server) for action in (*METHOD_ACTIONS, "connect"))
            yield from islice((target for target in targets if reaches(study, target)), 1)
    tried.clear()
    for toolset, tenant in world.toolsets.items():
        if toolset in toolsets or tenant not in tried:
            tried |= {tenant} - ({tenant} if toolset in toolsets else set())
            yield world.toolset(toolset)


def _met_by_stand_ins(studies: Sequence[Study], world: World) -> frozenset[Study]:
    """Return the policies that some tool could meet that does not exist yet: of any operation and risk, in any server,
    with all labels that there are or with none.
    """
    above = {*(Uid("Server", name) for name in world.servers), *_tenants_above(world)}
    reached = [study for study in studies if study.operations and _could_stand(study, above)]
    met = {study for study in reached if study.is_open}
    asked = {study.policy.id: study for study in reached if not study.is_open}
    if not asked:
        return frozenset(met)
    handle = PolicySet({name: study.side for name, study in asked.items()})
    tools = list(_stand_ins(world))
    around = [part for server in world.servers for part in [_owner(server, world)]]
    chains = {str(part["uid"]): part for tenant in world.parents for part in world.chain(tenant)}
    groups = {str(part["uid"]): part for op in OPERATIONS for part in action_entities(stand_in(op), op)}
    hub = entity(_EVERY_SERVER, [Uid("Server", name) for name in world.servers])
    own = [entity(uid, [_EVERY_SERVER], attributes) for uid, _, attributes in tools]
    graph = Entities.of([*own, hub, *around, *chains.values(), *groups.values()])
    for uid, operation, _ in tools:
        verdict = _ask(handle, Uid("Action", stand_in(operation)), uid, graph)
        failed = {name for name in asked if any(f"policy `{name}`" in what for what in verdict.errors)}
        met |= {asked[name] for name in (*verdict.policy_ids, *failed)}
    return frozenset(met)


def _could_stand(study: Study, above: set[Uid]) -> bool:
    head = study.resource
    if head.exact is not None or head.kind not in (None, "Tool"):
        return False
    return head.within is None or any(uid in above for uid in head.within)


def _tenants_above(world: World) -> Iterator[Uid]:
    for tenant in frozenset(world.servers.values()):
        yield from (Uid("Tenant", name) for name in world.line(tenant))


def _stand_ins(world: World) -> Iterator[tuple[Uid, str, Mapping[str, object]]]:
    worn_or_bare = (("labelled", world.labels), ("bare", ()))
    for operation, (rank, risk), (how, worn) in product(OPERATIONS, enumerate(RISKS, start=1), worn_or_bare):
        attributes = {"operation": operation, "risk": risk, "rank": rank, "labels": list(worn)}
        yield Uid("Tool", f"{stand_in(operation)}:{risk}:{how}"), operation, attributes


def _owner(server: ServerId, world: World) -> Mapping[str, object]:
    return entity(Uid("Server", server), [Uid("Tenant", world.servers[server])])


def _ask(handle: PolicySet, action: Uid, resource: Uid, entities: Entities) -> Verdict:
    return evaluate((_ANYBODY, action, resource), _EMPTY, handle, entities)
