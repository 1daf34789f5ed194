"""One policy, read once: what it names, what it looks at, and which requests its scope reaches."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from tallystick.policy.argument_types import mapping, sequence
from tallystick.policy.cedar import parse_policies
from tallystick.policy.check import check_annotations
from tallystick.policy.console import speaks_of_console
from tallystick.policy.expression import named_entities, read_arguments, variables, weakened
from tallystick.policy.model import OPERATIONS, Policy, Uid
from tallystick.settings import Problem
from tallystick.terms import TenantId

_FOLDERS: Final = 2
"""Parts of the name of a file that binds everybody: policies/<name>.cedar."""


class Head(NamedTuple):
    """What a scope says of an action or a resource. None: nothing, it reaches every one.

    `within` are the entities one of which it must be or be below; `exact` the one it must be; `kind` its type.
    """

    within: tuple[Uid, ...] | None = None
    exact: Uid | None = None
    kind: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether every entity of the kind fits."""
        return self.within is None and self.exact is None


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A parsed policy with everything that follows from its text alone."""

    policy: Policy
    digest: str
    problems: tuple[Problem, ...]
    named: tuple[Uid, ...]
    reads: frozenset[str]
    action: Head
    resource: Head
    side: Mapping[str, object]
    """The policy as a permit for anybody, with only those conditions that look at nothing but the resource."""
    is_open: bool
    """Whether `side` has no conditions, so that the scope alone says which resources it can meet."""
    tenant: TenantId | None
    """The one tenant that it binds; None: all."""
    is_about_console: bool
    """Whether it speaks of the console's actions, which have nothing to do with tools."""

    @property
    def operations(self) -> tuple[str, ...]:
        """Operations whose tools the scope reaches as groups."""
        if self.action.exact is not None:
            return ()
        groups = None if self.action.within is None else {uid.id for uid in self.action.within}
        return tuple(word for word in OPERATIONS if groups is None or word in groups or "call" in groups)


def read_policies(file: str, text: str, tenant: TenantId | None) -> Iterator[Study | Problem]:
    """Yield each policy of a file, or what is wrong with the text or with the one at its place."""
    bodies = parse_policies(text)
    if isinstance(bodies, str):
        yield Problem(file, "", f"is not Cedar: {bodies}", "correct the syntax")
        return
    for position, body in enumerate(bodies, start=1):
        name = mapping(body.get("annotations")).get("id")
        if isinstance(name, str) and name:
            yield _study(Policy(file, name, body), tenant)
        else:
            yield Problem(file, f"policy {position}", "has no @id", 'put @id("some-name") before it')


def bound_to(file: str) -> TenantId | None:
    """Return the tenant that a file's policies bind: policies/<tenant>/<name>.cedar; None for those of everybody."""
    parts = file.split("/")
    return TenantId(parts[1]) if len(parts) > _FOLDERS else None


def permit(body: Mapping[str, object]) -> dict[str, object]:
    """Return the policy as a permit for anybody: the engine reports all permits that match, not the strongest only."""
    return {**body, "effect": "permit", "principal": {"op": "All"}, "annotations": {}}


def _study(policy: Policy, tenant: TenantId | None) -> Study:
    side = permit(weakened(policy.body, lambda part: variables(part) <= {"resource"}))
    material = json.dumps([policy.id, tenant, policy.body], sort_keys=True)
    return Study(
        policy=policy,
        digest=sha256(material.encode(errors="surrogatepass")).hexdigest(),
        problems=tuple(check_annotations(policy)),
        named=tuple(dict.fromkeys(named_entities(policy.body))),
        reads=read_arguments(policy.body.get("conditions")),
        action=_head(policy.body.get("action")),
        resource=_head(policy.body.get("resource")),
        side=side,
        is_open=not side["conditions"],
        tenant=tenant,
        is_about_console=speaks_of_console(policy),
    )


def _head(scope: object) -> Head:
    members = mapping(scope)
    kind = members.get("entity_type")
    operator = members.get("op")
    place = mapping(members.get("in")) if operator == "is" else members
    listed = place.get("entities")
    named = sequence(listed) if listed is not None else (place["entity"],) if "entity" in place else None
    uids = None if named is None else tuple(_uid(part) for part in named)
    if operator == "==" and uids:
        return Head(exact=uids[0])
    return Head(within=uids, kind=kind if isinstance(kind, str) else None)


def _uid(part: object) -> Uid:
    members = mapping(part)
    return Uid(str(members.get("type")), str(members.get("id")))
