"""The decision about one action at the console. Default deny; a policy that fails is a deny."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Final

from tallystick.policy.argument_types import mapping
from tallystick.policy.cedar import Entities, PolicySet, Verdict, evaluate, parse_policies
from tallystick.policy.console.actions import GROUPS
from tallystick.policy.console.builtin import BUILTIN
from tallystick.policy.console.roles import EVERYWHERE, Held, roles_at
from tallystick.policy.decide import principal_entity
from tallystick.policy.model import Uid
from tallystick.policy.schema import entity
from tallystick.terms import Caller, Decision, Digest, Reason, TallyError, TenantId

_MOST: Final = 16_384
"""Decisions kept; one costs about 60 us of CPU, a kept one less than 1."""

_SOMEBODY: Final = Caller("somebody", "person", TenantId("somewhere"), "nowhere", "none", "none", 0.0)
"""Asks about a role: with the roles' own policies, who holds it makes no difference."""

_Key = tuple[str, frozenset[str], frozenset[str], "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to do: `action` is `<noun>:<verb>`. No name: to any resource of the kind in the tenant.

    `state` is that of a reviewed resource, empty where it has none or does not exist yet.
    """

    action: str
    tenant: TenantId
    kind: str = ""
    name: str = ""
    state: str = ""


def _answers() -> dict[_Key, Decision]:
    return {}


@dataclass(frozen=True, slots=True, eq=False)
class Console:
    """The policies of the console: those of the roles, and what a firm forbids beside them."""

    digest: Digest
    policies: PolicySet
    names: tuple[str, ...]
    tenants: Mapping[TenantId, TenantId | None]
    is_plain: bool
    """Whether only the roles decide, so that equal roles get equal answers."""
    memo: dict[_Key, Decision] = field(default_factory=_answers)


def build(firm: Mapping[str, Mapping[str, object]], tenants: Mapping[TenantId, TenantId | None]) -> Console:
    """Return the policies of the roles together with those of a firm (id -> Cedar's JSON form), which were checked."""
    bodies = {**builtin(), **firm}
    material = json.dumps([bodies, sorted(tenants.items(), key=str)], sort_keys=True)
    digest = Digest("sha256:" + sha256(material.encode()).hexdigest())
    return Console(digest, PolicySet(bodies), tuple(sorted(bodies)), tenants, not firm)


@cache
def roles_only() -> Console:
    """Return the policies of the roles alone, for an installation of which nothing else is known."""
    return build({}, {})


@cache
def builtin() -> Mapping[str, Mapping[str, object]]:
    """Return the policies of the roles, by id, in Cedar's JSON form."""
    parsed = parse_policies(BUILTIN)
    if isinstance(parsed, str):
        raise TallyError(code="internal", message=parsed)
    return {str(mapping(body.get("annotations"))["id"]): body for body in parsed}


def decide(console: Console, caller: Caller, roles: frozenset[Held], question: Question) -> Decision:
    """Return whether `caller`, who holds `roles`, may do what `question` asks."""
    here = roles_at(roles, question.tenant)
    # INVARIANT: without a role in the tenant nothing is permitted there, whatever a policy says.
    if not here:
        return Decision("deny", (Reason.ROLE_MISSING,), (), console.digest)
    everywhere = roles_at((held for held in roles if held.tenant == EVERYWHERE), EVERYWHERE)
    asked = (
        Question(question.action, question.tenant, question.kind, "", question.state) if console.is_plain else question
    )
    key = ("" if console.is_plain else caller.authority, here, everywhere, asked)
    known = console.memo.get(key)
    if known is None:
        known = _explain(console, _ask(console, caller, (here, everywhere), asked))
        if len(console.memo) >= _MOST:
            # All at once: threads decide at the same time, and one that picks the oldest would meet another's change.
            console.memo.clear()
        console.memo[key] = known
    return known


def permits(role: str, question: Question) -> bool:
    """Tell whether a role held in the question's tenant gives a right, as far as the roles' own policies say."""
    roles = frozenset({Held(role, question.tenant)})
    return decide(roles_only(), _SOMEBODY, roles, question).effect == "allow"


def _ask(console: Console, caller: Caller, roles: tuple[frozenset[str], frozenset[str]], question: Question) -> Verdict:
    principal = Uid("User" if caller.kind == "person" else "Agent", caller.subject)
    action = Uid("Action", f"console/{question.action}")
    resource = Uid("Resource", f"{question.kind}/{question.name}")
    graph = [
        principal_entity(caller, principal),
        *_action_entities(question.action),
        entity(
            resource,
            [Uid("Tenant", question.tenant)],
            {"kind": question.kind, "name": question.name, "state": question.state},
        ),
        *_tenants(console.tenants, question.tenant),
    ]
    try:
        entities = Entities.of(graph)
    except ValueError as error:
        return Verdict("deny", (), (str(error),))
    context = json.dumps({"roles": sorted(roles[0]), "everywhere": sorted(roles[1])})
    return evaluate((principal, action, resource), context, console.policies, entities)


def _action_entities(action: str) -> list[dict[str, object]]:
    groups = [Uid("Action", group) for group, actions in GROUPS.items() if action in actions]
    own = entity(Uid("Action", f"console/{action}"), groups)
    return [own, *(entity(group, [Uid("Action", "console")]) for group in groups), entity(Uid("Action", "console"), [])]


def _tenants(parents: Mapping[TenantId, TenantId | None], tenant: TenantId) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    here: TenantId | None = tenant
    for _ in range(len(parents) + 1):
        if here is None:
            break
        parent = parents.get(here)
        found.append(entity(Uid("Tenant", here), [Uid("Tenant", parent)] if parent else []))
        here = parent
    return found


def _explain(console: Console, verdict: Verdict) -> Decision:
    # INVARIANT: a forbid that cannot be evaluated must not be skipped, which is what the engine itself would do.
    if verdict.errors:
        failed = tuple(name for name in console.names if any(f"policy `{name}`" in what for what in verdict.errors))
        return Decision("deny", (Reason.POLICY_FAILED,), failed, console.digest)
    if verdict.effect == "allow":
        return Decision("allow", (Reason.POLICY_ALLOWS,), verdict.policy_ids, console.digest)
    firm = tuple(name for name in verdict.policy_ids if name not in builtin())
    # A forbid of the roles themselves is a missing role to whoever meets it.
    return Decision(
        "deny", (Reason.POLICY_FORBIDS if firm else Reason.ROLE_MISSING,), verdict.policy_ids, console.digest
    )
