"""Who asks, and whether they may: a token or the machine's socket to a Visitor, and a Visitor's question to a Permit.

Everything is decided by `policy.console`; what is decided about is never told to whoever may not even read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

from tallystick.api.http import Trouble, trouble
from tallystick.api.rooms import ConsoleRooms
from tallystick.control import model
from tallystick.identity import challenge, metadata_url
from tallystick.policy import console
from tallystick.snapshot import Snapshot
from tallystick.terms import Caller, Decision, Reason, Refusal, TenantId

_FOR_EVER: Final = 2.0**52
_SOCKET: Final = "urn:tallystick:socket"
_NOBODY: Final = "urn:tallystick:nobody"


class Permit(NamedTuple):
    """That a visitor may do something. INVARIANT: only `Visitor.may` and OPEN make one; every answer needs one."""

    action: str
    decision: Decision | None = None


OPEN: Final = Permit("")
"""For what everybody may see: health, and the API's own description."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who is known. `operator` is the account on the machine of who came over its socket, else empty."""

    caller: Caller
    operator: str
    roles: frozenset[console.Held]
    policies: console.Console

    @cached_property
    def actor(self) -> model.Actor:
        """Who changes something, as control state keeps it."""
        names = tuple(sorted({held.role for held in self.roles}))
        if self.operator:
            return model.Actor(self.caller.subject, self.caller.subject, None, names)
        caller = self.caller
        told = {
            "actors": list(caller.actors),
            "client": caller.client,
            "groups": list(caller.groups),
            "issuer": caller.issuer,
            "kind": caller.kind,
            "subject": caller.subject,
        }
        return model.Actor(caller.subject, "", told, names)

    def actor_at(self, *tenants: TenantId) -> model.Actor:
        """Return the same with the roles that count in each of these tenants."""
        actor = self.actor
        counting = [console.roles_at(self.roles, tenant) for tenant in tenants]
        roles = frozenset[str]() if not counting else counting[0].intersection(*counting)
        everywhere = tuple(sorted(console.roles_at(self.roles, console.EVERYWHERE)))
        return replace(actor, roles=tuple(sorted(roles)), everywhere=everywhere)

    @property
    def is_known(self) -> bool:
        """Whether this is somebody: who asks for what everybody may see is nobody."""
        return self.caller.subject != _NOBODY or bool(self.operator)

    def decide(self, question: console.Question) -> Decision:
        """Return what policy says."""
        return console.decide(self.policies, self.caller, self.roles, question)

    def may(self, action: str, tenant: TenantId, about: model.Resource | model.Key | None = None) -> Permit | Trouble:
        """Return the permit for an action in a tenant, on a resource (a key: one that is not there yet)."""
        question = question_of(action, tenant, about)
        decision = self.decide(question)
        if decision.effect == "allow":
            return Permit(action, decision)
        if isinstance(about, model.Resource) and not self.sees(about):
            # INVARIANT: what somebody may not read is answered like what does not exist; so whoever has no role at all
            # is not told either whose it is.
            hidden = _hidden(about.key, decision, tenant)
            return hidden if self.roles else replace(_denied(decision, self.caller.tenant), tenant=tenant)
        return _denied(decision, tenant)

    def sees(self, resource: model.Resource) -> bool:
        """Tell whether the visitor may read a resource."""
        action = console.action_of(resource.kind, "get")
        return self.decide(question_of(action, resource.tenant, resource)).effect == "allow"

    def tenants(self, known: Sequence[TenantId], action: str, kind: str = "") -> frozenset[TenantId]:
        """Return the tenants (and maybe everywhere) in which the visitor may do something."""
        every = (*known, console.EVERYWHERE)
        questions = {tenant: console.Question(action, tenant, kind) for tenant in every}
        return frozenset(tenant for tenant in every if self.decide(questions[tenant]).effect == "allow")


def question_of(action: str, tenant: TenantId, about: model.Resource | model.Key | None) -> console.Question:
    """Return the question that policy is asked."""
    if about is None:
        return console.Question(action, tenant)
    state = about.state if isinstance(about, model.Resource) and about.kind in model.REVIEWED else ""
    return console.Question(action, tenant, about.kind, about.name, state)


def unknown(key: model.Key) -> Trouble:
    """Return that there is no such resource."""
    return trouble("not_found", Reason.RESOURCE_UNKNOWN, f"There is no {key} (or none that you may know of).")


def nobody(rooms: ConsoleRooms) -> Visitor:
    """Return who asks for what everybody may see: somebody without any role."""
    caller = _local(rooms, _NOBODY)
    return Visitor(caller, "", frozenset(), _policies(rooms.snapshot()))


async def admit(rooms: ConsoleRooms, authorization: bytes | None) -> Visitor | Trouble:
    """Return who sends this; nobody unknown becomes a visitor."""
    snapshot = rooms.snapshot()
    policies = _policies(snapshot)
    if rooms.operator:
        everywhere = frozenset({console.Held("owner", console.EVERYWHERE)})
        return Visitor(_local(rooms, f"operator:{rooms.operator}"), rooms.operator, everywhere, policies)
    caller = await rooms.authenticator().authenticate(authorization, rooms.audiences)
    if isinstance(caller, Refusal):
        headers = {"www-authenticate": challenge(metadata_url(rooms.public_url), caller)} if rooms.public_url else {}
        return Trouble(caller, headers=headers if caller.code == "unauthenticated" else {})
    return Visitor(caller, "", _roles(snapshot, caller), policies)


def _local(rooms: ConsoleRooms, name: str) -> Caller:
    return Caller(
        subject=name,
        kind="person",
        tenant=rooms.platform,
        issuer=_SOCKET,
        client="tally",
        authority=name,
        expires_at=_FOR_EVER,
    )


def _policies(snapshot: Snapshot | None) -> console.Console:
    # Without a snapshot only the roles' own policies count, and only the operator has a role.
    return console.roles_only() if snapshot is None else snapshot.bundle.console


def _roles(snapshot: Snapshot | None, caller: Caller) -> frozenset[console.Held]:
    if snapshot is None:
        return frozenset()
    registry = snapshot.registry
    facts = [
        console.RoleFacts(role.tenant, role.role, role.people, role.groups, role.agents)
        for role in registry.roles.values()
    ]
    parents = {name: tenant.parent for name, tenant in registry.tenants.items()}
    return console.held(caller, facts, parents, issuers=len(registry.issuers))


def _hidden(key: model.Key, decision: Decision, tenant: TenantId) -> Trouble:
    told = unknown(key)
    refusal = Refusal("not_found", told.refusal.reasons, told.refusal.public_text, f"hidden: {decision.reasons}")
    return Trouble(refusal, tenant=tenant, decision=decision)


def _denied(decision: Decision, tenant: TenantId) -> Trouble:
    where = f"in the tenant {tenant}" if tenant else "in the whole installation"
    text = f"You have no role {where} that allows this. Ask an owner for one."
    if Reason.ROLE_MISSING not in decision.reasons:
        text = "A policy of the console forbids this."
    policies = decision.policy_ids if Reason.ROLE_MISSING not in decision.reasons else ()
    return Trouble(Refusal("denied", decision.reasons, text, "", policies), tenant=tenant, decision=decision)
