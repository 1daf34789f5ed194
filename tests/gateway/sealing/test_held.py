"""Values of servers on their way through clients: whose they are, what they are about, and for how long."""

import os
from dataclasses import replace

import pytest

from tallystick.gateway.sealing import Keeper, Seal, about
from tallystick.gateway.sealing.held import LIFETIMES_S, HeldKind
from tallystick.terms import Caller, TenantId

NOW = 1_800_000_000.0
ADA = Caller("ada", "person", TenantId("bank"), "https://id.example", "desk", "f" * 64, NOW + 60)
WHERE = ("servers/desk", ADA, "tools/call:pay")
KINDS: tuple[HeldKind, ...] = ("state", "cursor", "task")
KEEPER = Keeper(Seal(os.urandom(32)), worker=2)

of_each_kind = pytest.mark.parametrize("kind", KINDS)


@of_each_kind
def test_a_value_comes_back_exactly_to_whom_it_was_told(kind: HeldKind) -> None:
    value = 'u.{"x":"ä\u2028"}'
    held = KEEPER.open(kind, KEEPER.seal(kind, value, WHERE, NOW), WHERE, NOW + 1)
    assert held is not None
    assert (held.value, held.worker) == (value, 2)


@of_each_kind
@pytest.mark.parametrize(
    "where",
    [
        ("toolsets/desk", ADA, WHERE[2]),
        ("servers/desk", replace(ADA, subject="eve"), WHERE[2]),
        ("servers/desk", replace(ADA, tenant=TenantId("branch")), WHERE[2]),
        ("servers/desk", replace(ADA, client="other"), WHERE[2]),
        ("servers/desk", replace(ADA, actors=("agent",)), WHERE[2]),
        ("servers/desk", ADA, "tools/call:read"),
    ],
    ids=["route", "subject", "tenant", "client", "actor", "request"],
)
def test_a_value_opens_for_nobody_and_nothing_else(kind: HeldKind, where: tuple[str, Caller, str]) -> None:
    assert KEEPER.open(kind, KEEPER.seal(kind, "v", WHERE, NOW), where, NOW) is None


@of_each_kind
def test_a_value_of_one_kind_is_none_of_another(kind: HeldKind) -> None:
    sealed = KEEPER.seal(kind, "v", WHERE, NOW)
    for other in KINDS:
        assert (KEEPER.open(other, sealed, WHERE, NOW) is None) == (other != kind)
    assert Seal(os.urandom(32)).open(kind, sealed) is None


@of_each_kind
def test_a_value_is_refused_when_its_time_is_over(kind: HeldKind) -> None:
    sealed = KEEPER.seal(kind, "v", WHERE, NOW)
    assert KEEPER.open(kind, sealed, WHERE, NOW + LIFETIMES_S[kind]) is not None
    assert KEEPER.open(kind, sealed, WHERE, NOW + LIFETIMES_S[kind] + 1) is None


@pytest.mark.parametrize("text", [None, 1, [], {}, "", "AAAA", "p.0123", "\ud800", "A" * 2_000_000])
def test_what_was_never_sealed_does_not_open(text: object) -> None:
    assert KEEPER.open("state", text, WHERE, NOW) is None


def test_the_digest_of_parts_tells_where_each_part_ends() -> None:
    assert len({about("ab", "c"), about("a", "bc"), about("abc"), about("abc", ""), about("", "abc")}) == 5


@of_each_kind
def test_a_value_of_another_release_is_none_of_ours(kind: HeldKind) -> None:
    seal = Seal(os.urandom(32))
    assert Keeper(seal).open(kind, seal.close(kind, b'{"value":"v"}'), WHERE, NOW) is None
