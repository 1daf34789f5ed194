"""The plain way to compile policies: one schema of everything, every target asked of the engine. Slow: the oracle."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tallystick.policy import Facts
from tallystick.policy.argument_types import mapping
from tallystick.policy.cedar import Entities, PolicySet, Schema, evaluate, parse_policies
from tallystick.policy.check import attribute_names, check_annotations, check_names, find_faults, never, told
from tallystick.policy.expression import named_entities, variables, weakened
from tallystick.policy.model import OPERATIONS, RISKS, Policy, ToolFacts, Uid, tool_action
from tallystick.policy.schema import METHOD_ACTIONS, action_entities, entity, schema_json, stand_in, tool_entity
from tallystick.settings import Problem
from tallystick.terms import TenantId

Entity = Mapping[str, object]
Target = tuple[Uid, Uid, tuple[Entity, ...]]
Names = frozenset[str]


def compile_plainly(sources: Mapping[str, str], facts: Facts) -> Mapping[tuple[str, Uid], Names] | tuple[Problem, ...]:
    """Return (action, resource) -> ids of the policies whose scope reaches it, or every problem."""
    policies: list[Policy] = []
    problems: list[Problem] = []
    for file in sorted(sources):
        parsed = list(_parse(file, sources[file]))
        policies += [entry for entry in parsed if isinstance(entry, Policy)]
        problems += [entry for entry in parsed if isinstance(entry, Problem)]
    times = Counter(policy.id for policy in policies)
    problems += [
        Problem(*policy.place, "the id is used twice", "give each policy an id of its own")
        for policy in policies
        if times[policy.id] > 1
    ]
    for policy in policies:
        problems += check_annotations(policy)
        problems += check_names(policy, dict.fromkeys(named_entities(policy.body)), _known_ids(facts))
    sound = _without(policies, problems)
    document = schema_json(facts)
    faults = find_faults(sound, Schema(document))
    for policy in sound:
        if policy.id in faults:
            problems += told(policy, faults[policy.id], attribute_names(document))
    sound = _without(sound, problems)
    able = _possible(sound, facts)
    problems += [never(policy) for policy in sound if policy.id not in able]
    return tuple(problems) or _reached(policies, facts)


def _parse(file: str, text: str) -> Iterator[Policy | Problem]:
    bodies = parse_policies(text)
    if isinstance(bodies, str):
        yield Problem(file, "", f"is not Cedar: {bodies}", "correct the syntax")
        return
    for position, body in enumerate(bodies, start=1):
        name = mapping(body.get("annotations")).get("id")
        if isinstance(name, str) and name:
            yield Policy(file, name, body)
        else:
            yield Problem(file, f"policy {position}", "has no @id", 'put @id("some-name") before it')


def _without(policies: Sequence[Policy], problems: Sequence[Problem]) -> list[Policy]:
    faulty = {(problem.file, problem.field) for problem in problems}
    return [policy for policy in policies if policy.place not in faulty]


def _known_ids(facts: Facts) -> dict[str, Names]:
    tools = [tool_action(tool.server, tool.tool) for tool in facts.tools]
    return {
        "Tenant": frozenset(tenant.tenant for tenant in facts.tenants),
        "Server": frozenset(server.server for server in facts.servers),
        "Toolset": frozenset(toolset.toolset for toolset in facts.toolsets),
        "Tool": frozenset(tools),
        "Action": frozenset([*tools, *METHOD_ACTIONS, *OPERATIONS, "call", "use", "connect"]),
    }


def _possible(policies: Sequence[Policy], facts: Facts) -> Names:
    bodies = {
        policy.id: _permit(weakened(policy.body, lambda part: variables(part) <= {"resource"})) for policy in policies
    }
    handle = PolicySet(bodies)
    targets = (*_stand_ins(facts), *_targets(facts))
    return frozenset[str]().union(*(_matching(handle, bodies, target) for target in targets))


def _reached(policies: Sequence[Policy], facts: Facts) -> Mapping[tuple[str, Uid], Names]:
    scopes = {policy.id: _permit({**policy.body, "conditions": []}) for policy in policies}
    handle = PolicySet(scopes)
    return {(target[0].id, target[1]): _matching(handle, scopes, target) for target in _targets(facts)}


def _permit(body: Mapping[str, object]) -> dict[str, object]:
    return {**body, "effect": "permit", "principal": {"op": "All"}, "annotations": {}}


def _matching(handle: PolicySet, names: Iterable[str], target: Target) -> Names:
    action, resource, entities = target
    verdict = evaluate((Uid("User", ""), action, resource), "{}", handle, Entities.of(entities))
    # One that cannot be evaluated might match.
    failed = {name for name in names if any(f"policy `{name}`" in what for what in verdict.errors)}
    return frozenset(verdict.policy_ids) | failed


def _targets(facts: Facts) -> Iterator[Target]:
    for tool in facts.tools:
        name = tool_action(tool.server, tool.tool)
        own = (*action_entities(name, tool.operation), tool_entity(tool), _server(tool))
        yield Uid("Action", name), Uid("Tool", name), (*own, *_chain(facts, tool.tenant))
    for server in facts.servers:
        uid = Uid("Server", server.server)
        around = (entity(uid, [Uid("Tenant", server.tenant)]), *_chain(facts, server.tenant))
        for action in (*METHOD_ACTIONS, "connect"):
            yield Uid("Action", action), uid, (*action_entities(action, None), *around)
    for toolset in facts.toolsets:
        uid = Uid("Toolset", toolset.toolset)
        around = (entity(uid, [Uid("Tenant", toolset.tenant)]), *_chain(facts, toolset.tenant))
        yield Uid("Action", "connect"), uid, (*action_entities("connect", None), *around)


def _server(tool: ToolFacts) -> Entity:
    return entity(Uid("Server", tool.server), [Uid("Tenant", tool.tenant)])


def _chain(facts: Facts, tenant: TenantId) -> Iterator[Entity]:
    parents = {known.tenant: known.parent for known in facts.tenants}
    here: TenantId | None = tenant
    while here is not None:
        parent = parents.get(here)
        yield entity(Uid("Tenant", here), [Uid("Tenant", parent)] if parent else [])
        here = parent


def _stand_ins(facts: Facts) -> Iterator[Target]:
    labels = sorted({label for tool in facts.tools for label in tool.labels})
    parents = [Uid("Server", server.server) for server in facts.servers]
    around = [entity(Uid("Server", server.server), [Uid("Tenant", server.tenant)]) for server in facts.servers]
    chains = {str(part): part for tenant in facts.tenants for part in _chain(facts, tenant.tenant)}
    for operation in OPERATIONS:
        for rank, risk in enumerate(RISKS, start=1):
            for worn in (labels, []):
                uid, action = Uid("Tool", ""), stand_in(operation)
                attributes = {"operation": operation, "risk": risk, "rank": rank, "labels": worn}
                own = entity(uid, parents, attributes)
                yield (
                    Uid("Action", action),
                    uid,
                    (*action_entities(action, operation), own, *around, *chains.values()),
                )
