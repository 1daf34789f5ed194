"""A firm's own policies about the console: they may only forbid, and fit a schema of their own."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from tallystick.policy.argument_types import mapping
from tallystick.policy.cedar import Schema, validate
from tallystick.policy.console.actions import ACTIONS, GROUPS
from tallystick.policy.console.decide import Console, build, builtin
from tallystick.policy.model import Policy
from tallystick.settings import Problem
from tallystick.terms import TenantId

_PREFIX: Final = "console"
_TEXT: Final = {"type": "String"}
_TEXTS: Final = {"type": "Set", "element": {"type": "String"}}


def speaks_of_console(policy: Policy) -> bool:
    """Tell whether a policy's scope names actions of the console; one without named actions is about calls only."""
    scope = mapping(policy.body.get("action"))
    listed = scope.get("entities")
    entities: list[object] = [*listed] if isinstance(listed, list) else [scope.get("entity")]
    ids = [str(mapping(entity).get("id", "")) for entity in entities]
    return any(name == _PREFIX or name.startswith(f"{_PREFIX}/") for name in ids)


def compile_console(
    policies: Sequence[Policy], tenants: Mapping[TenantId, TenantId | None]
) -> Console | tuple[Problem, ...]:
    """Return the console's policies with those of a firm among them, or everything that is wrong with these."""
    problems = [
        Problem(
            *policy.place, "permits something at the console", "write a forbid: rights at the console come from roles"
        )
        for policy in policies
        if policy.body.get("effect") != "forbid"
    ]
    problems += [
        Problem(*policy.place, "has the id of a policy of a role", "choose another @id")
        for policy in policies
        if policy.id in builtin()
    ]
    bodies = {policy.id: policy.body for policy in policies}
    places = {policy.id: policy.place for policy in policies}
    for name, faults in validate(bodies, schema()).items():
        problems += [Problem(*places[name], what, "see the schema of the console's actions") for what in faults]
    return tuple(problems) or build(bodies, tenants)


@cache
def schema() -> Schema:
    """Return what a policy about the console may speak of."""
    principal = {
        "memberOfTypes": ["Group"],
        "shape": _shape(
            {
                "client": _TEXT,
                "issuer": _TEXT,
                "tenant": {"type": "Entity", "name": "Tenant"},
                "actors": _TEXTS,
                "agent": {**_TEXT, "required": False},
                "claims": _TEXTS,
            }
        ),
    }
    types = {
        "Group": {},
        "User": principal,
        "Agent": principal,
        "Tenant": {"memberOfTypes": ["Tenant"]},
        "Resource": {"memberOfTypes": ["Tenant"], "shape": _shape({"kind": _TEXT, "name": _TEXT, "state": _TEXT})},
    }
    actions: dict[str, object] = {_PREFIX: {}}
    actions |= {group: {"memberOf": [{"id": _PREFIX}]} for group in GROUPS}
    actions |= {f"{_PREFIX}/{action}": _action(action) for action in ACTIONS}
    return Schema({"": {"entityTypes": types, "actions": actions}})


def _shape(attributes: Mapping[str, object]) -> dict[str, object]:
    return {"type": "Record", "attributes": dict(attributes)}


def _action(action: str) -> dict[str, object]:
    group = next(name for name, actions in GROUPS.items() if action in actions)
    applies = {
        "principalTypes": ["User", "Agent"],
        "resourceTypes": ["Resource"],
        "context": _shape({"roles": _TEXTS, "everywhere": _TEXTS}),
    }
    return {"memberOf": [{"id": group}], "appliesTo": applies}
