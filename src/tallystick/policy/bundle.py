"""All policies of one configuration, cut into slices: for each action on each resource, the policies that could match.

The engine scans its policies one by one, so a decision on the three policies that concern a tool costs a third of one
on fifty. Which policies those are is asked of the engine itself, with each policy reduced to its scope.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from tallystick.policy.argument_types import Record, arguments_kind
from tallystick.policy.cedar import Entities, PolicySet, Schema, evaluate
from tallystick.policy.decide import Memo, Slice
from tallystick.policy.expression import EVERYTHING, read_arguments, variables, weakened
from tallystick.policy.model import (
    OPERATIONS,
    RISKS,
    Facts,
    Policy,
    ToolFacts,
    Uid,
    duties_of,
    method_action,
    tool_action,
)
from tallystick.policy.schema import (
    METHOD_ACTIONS,
    METHOD_ARGUMENTS,
    NO_ARGUMENTS,
    action_entities,
    entity,
    stand_in,
    tenant_chain,
    tool_entity,
)
from tallystick.terms import Digest, ServerId, TenantId, ToolId

_ANYBODY = Uid("User", "")
_EMPTY = json.dumps({})


@dataclass(frozen=True, slots=True, eq=False)
class PolicyBundle:
    """Compiled policies. `digest` names them together with the facts they were compiled against."""

    digest: Digest
    schema_text: str
    slices: Mapping[tuple[str, str, str], Slice]

    def tool(self, server: ServerId, tool: ToolId) -> Slice:
        """Return the slice for calling a known tool; raises KeyError for an unknown one."""
        name = tool_action(server, tool)
        return self.slices[name, "Tool", name]

    def method(self, server: ServerId, method: str) -> Slice:
        """Return the slice for any MCP method at a known server."""
        return self.slices[method_action(method), "Server", server]

    def connect_server(self, server: ServerId) -> Slice:
        """Return the slice for entering a server's route: initialize, discover, ping, list."""
        return self.slices["connect", "Server", server]

    def connect_toolset(self, toolset: str) -> Slice:
        """Return the slice for entering a toolset's route."""
        return self.slices["connect", "Toolset", toolset]


@dataclass(frozen=True, slots=True)
class _Target:
    """One action on one resource, and the entities that this needs."""

    action: Uid
    resource: Uid
    tenant: TenantId
    arguments: Record
    entities: tuple[Mapping[str, object], ...]


def build(policies: Sequence[Policy], facts: Facts, schema: Schema) -> PolicyBundle:
    """Return the bundle of policies that have been checked."""
    sources = [[policy.id, policy.body] for policy in policies]
    material = json.dumps([sources, schema.text(), [tool_entity(tool) for tool in facts.tools]], sort_keys=True)
    cutter = _Cutter(policies, Digest("sha256:" + sha256(material.encode()).hexdigest()))
    slices = {
        (target.action.id, target.resource.type, target.resource.id): cutter.cut(target) for target in _targets(facts)
    }
    return PolicyBundle(cutter.digest, schema.text(), slices)


def possible(policies: Sequence[Policy], facts: Facts) -> frozenset[str]:
    """Return the ids of the policies that some resource can meet, as far as the resource's side of them goes.

    Tools that do not exist yet stand in for every operation and risk, so that a guard-rail may precede what it guards.
    """
    bodies = {policy.id: _resource_side(policy.body) for policy in policies}
    if not bodies:
        return frozenset()
    handle = PolicySet(bodies)
    found: set[str] = set()
    for target in (*_stand_ins(facts), *_targets(facts)):
        found.update(_matching(handle, target, bodies))
        if len(found) == len(bodies):
            break
    return frozenset(found)


class _Cutter:
    """Cuts slices, sharing what is equal between them."""

    def __init__(self, policies: Sequence[Policy], digest: Digest) -> None:
        self.digest = digest
        self._bodies = {policy.id: policy.body for policy in policies}
        self._reads = {policy.id: read_arguments(policy.body.get("conditions")) for policy in policies}
        scopes = {name: _permit({**body, "conditions": []}) for name, body in self._bodies.items()}
        self._scopes = PolicySet(scopes)
        self._handles: dict[tuple[str, ...], tuple[PolicySet, PolicySet | None]] = {}
        self._memo = Memo()

    def cut(self, target: _Target) -> Slice:
        names = tuple(sorted(_matching(self._scopes, target, self._bodies)))
        if names not in self._handles:
            self._handles[names] = self._parse(names)
        policies, listing = self._handles[names]
        wanted = frozenset[str]().union(*(self._reads[name] for name in names))
        members = target.arguments.members
        if EVERYTHING not in wanted:
            # What no policy of the slice looks at is not handed over: cheaper, and a value that Cedar cannot represent
            # only fails the policies that read it.
            members = {name: kind for name, kind in members.items() if name in wanted}
        return Slice(
            action=target.action,
            resource=target.resource,
            tenant=target.tenant,
            policy_ids=names,
            obliging={name: duties for name in names if (duties := duties_of(self._bodies[name]))},
            policies=policies,
            listing=listing,
            entities=Entities.of(target.entities),
            arguments=Record(members, target.arguments.required),
            bundle=self.digest,
            memo=self._memo,
        )

    def _parse(self, names: tuple[str, ...]) -> tuple[PolicySet, PolicySet | None]:
        handle = PolicySet({name: self._bodies[name] for name in names})
        if not any(self._reads[name] for name in names):
            return handle, None
        listed = {
            name: weakened(self._bodies[name], lambda part: not read_arguments(part))
            for name in names
            if not (self._reads[name] and self._bodies[name].get("effect") == "forbid")
        }
        return handle, PolicySet(listed)


def _matching(handle: PolicySet, target: _Target, names: Iterable[str]) -> Iterable[str]:
    verdict = evaluate((_ANYBODY, target.action, target.resource), _EMPTY, handle, Entities.of(target.entities))
    # If any of them cannot be evaluated, all of them might match.
    return names if verdict.errors else verdict.policy_ids


def _resource_side(body: Mapping[str, object]) -> dict[str, object]:
    return _permit(weakened(body, lambda part: variables(part) <= {"resource"}))


def _permit(body: Mapping[str, object]) -> dict[str, object]:
    # All as permits, for any principal: the engine then reports each policy that matches, not only the strongest ones.
    return {**body, "effect": "permit", "principal": {"op": "All"}, "annotations": {}}


def _targets(facts: Facts) -> list[_Target]:
    targets = [_tool_target(facts, tool) for tool in facts.tools]
    for server in facts.servers:
        owner = entity(Uid("Server", server.server), [Uid("Tenant", server.tenant)])
        around = (owner, *tenant_chain(facts, server.tenant))
        for action in (*METHOD_ACTIONS, "connect"):
            kind = NO_ARGUMENTS if action == "connect" else METHOD_ARGUMENTS
            entities = (*action_entities(action, None), *around)
            targets.append(_Target(Uid("Action", action), Uid("Server", server.server), server.tenant, kind, entities))
    for toolset in facts.toolsets:
        uid = Uid("Toolset", toolset.toolset)
        own = entity(uid, [Uid("Tenant", toolset.tenant)])
        entities = (*action_entities("connect", None), own, *tenant_chain(facts, toolset.tenant))
        targets.append(_Target(Uid("Action", "connect"), uid, toolset.tenant, NO_ARGUMENTS, entities))
    return targets


def _tool_target(facts: Facts, tool: ToolFacts) -> _Target:
    name = tool_action(tool.server, tool.tool)
    entities = (
        *action_entities(name, tool.operation),
        tool_entity(tool),
        entity(Uid("Server", tool.server), [Uid("Tenant", tool.tenant)]),
        *tenant_chain(facts, tool.tenant),
    )
    kind = arguments_kind(tool.input_schema)
    return _Target(Uid("Action", name), Uid("Tool", name), tool.tenant, kind, entities)


def _stand_ins(facts: Facts) -> list[_Target]:
    labels = sorted({label for tool in facts.tools for label in tool.labels})
    parents = [Uid("Server", server.server) for server in facts.servers]
    around = [entity(Uid("Server", server.server), [Uid("Tenant", server.tenant)]) for server in facts.servers]
    chains = {json.dumps(part): part for tenant in facts.tenants for part in tenant_chain(facts, tenant.tenant)}
    targets: list[_Target] = []
    for operation in OPERATIONS:
        for rank, risk in enumerate(RISKS, start=1):
            for worn in (labels, []):
                uid, action = Uid("Tool", ""), stand_in(operation)
                attributes = {"operation": operation, "risk": risk, "rank": rank, "labels": worn}
                own = entity(uid, parents, attributes)
                entities = (*action_entities(action, operation), own, *around, *chains.values())
                targets.append(_Target(Uid("Action", action), uid, TenantId(""), NO_ARGUMENTS, entities))
    return targets
