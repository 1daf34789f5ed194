"""Which roles a caller holds, and where. Pure.

A role's people, groups and agents are names of the role's own tenant. `<issuer>#<name>` names one of a certain issuer,
and only so can somebody of another tenant be meant: of a parent, who is granted to look into a child. Everywhere, a
plain name counts only while there is one trusted issuer: with two, either could make its own people owners of all. Who
has a `#` in the name is named with the issuer only.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tallystick.terms import Caller, TenantId

EVERYWHERE = TenantId("")


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """Who has a role, and in which tenant; an empty one means everywhere."""

    tenant: TenantId
    role: str
    people: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


class Held(NamedTuple):
    """A role that a caller holds."""

    role: str
    tenant: TenantId


def held(
    caller: Caller, roles: Iterable[RoleFacts], parents: Mapping[TenantId, TenantId | None], *, issuers: int
) -> frozenset[Held]:
    """Return every role that `caller` holds. `parents` are those of all tenants; `issuers` is how many are trusted."""
    return frozenset(
        Held(facts.role, facts.tenant)
        for facts in roles
        if _holds(caller, facts, plain=_counts_plain(caller, facts, issuers), known=_reaches(caller, facts, parents))
    )


def roles_at(roles: Iterable[Held], tenant: TenantId) -> frozenset[str]:
    """Return the names of the roles that count in a tenant."""
    return frozenset(held_.role for held_ in roles if held_.tenant in {tenant, EVERYWHERE})


def _counts_plain(caller: Caller, facts: RoleFacts, issuers: int) -> bool:
    return issuers == 1 if facts.tenant == EVERYWHERE else caller.tenant == facts.tenant


def _reaches(caller: Caller, facts: RoleFacts, parents: Mapping[TenantId, TenantId | None]) -> bool:
    return facts.tenant == EVERYWHERE or caller.tenant in _line(facts.tenant, parents)


def _line(tenant: TenantId, parents: Mapping[TenantId, TenantId | None]) -> Iterator[TenantId]:
    """Yield a tenant and its ancestors."""
    here: TenantId | None = tenant
    for _ in range(len(parents) + 1):
        if here is None:
            return
        yield here
        here = parents.get(here)


def _holds(caller: Caller, facts: RoleFacts, *, plain: bool, known: bool) -> bool:
    def names(name: str) -> frozenset[str]:
        qualified = {f"{caller.issuer}#{name}"} if known else set[str]()
        # INVARIANT: a plain name never reads as a qualified one: whoever may name a group in one directory could
        # otherwise call it `<issuer>#<name>` of another.
        return frozenset({*qualified, *({name} if plain and "#" not in name else ())})

    def is_among(name: str, entries: tuple[str, ...]) -> bool:
        return not names(name).isdisjoint(entries)

    by_name = is_among(caller.subject, facts.people if caller.kind == "person" else facts.agents)
    by_group = any(is_among(group, facts.groups) for group in caller.groups)
    # INVARIANT: who acts for a person has that person's role only where the role names the actor too: an approval that
    # a human has to give cannot be given by whatever holds a delegated token.
    return (by_name or by_group) and all(is_among(actor, facts.agents) for actor in caller.actors[:1])
