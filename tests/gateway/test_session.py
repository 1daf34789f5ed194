"""Sealed sessions: what opens, what does not, and for how long."""

import os
from dataclasses import replace

import pytest

from tallystick.gateway import Sealer
from tallystick.gateway.session import LIFETIME_S, binding_of
from tallystick.terms import Caller, TenantId

NOW = 1_800_000_000.0
ADA = Caller("ada", "person", TenantId("bank"), "https://id.example", "desk", "f" * 64, NOW + 60, actors=("agent-1",))
ROUTE = "servers/desk"
VERSION = "2025-11-25"


@pytest.fixture
def key() -> bytes:
    """A key of 32 bytes."""
    return os.urandom(32)


def test_a_session_opens_with_what_was_sealed_and_at_every_replica(key: bytes) -> None:
    sealed = Sealer(key).seal(ROUTE, ADA, VERSION, NOW)
    for replica in (Sealer(key), Sealer(key)):
        session = replica.open(sealed, NOW + 1)
        assert session is not None
        assert session[1:] == (ROUTE, binding_of(ADA), VERSION, NOW)


def test_an_id_says_nothing_to_its_reader(key: bytes) -> None:
    sealed = Sealer(key).seal(ROUTE, ADA, VERSION, NOW)
    assert sealed.isascii()
    assert sealed.isprintable()
    assert "ada" not in sealed
    assert Sealer(key).seal(ROUTE, ADA, VERSION, NOW) != sealed


def test_no_changed_id_opens(key: bytes) -> None:
    sealer = Sealer(key)
    sealed = sealer.seal(ROUTE, ADA, VERSION, NOW)
    for place in range(len(sealed) - 1):
        other = "A" if sealed[place] != "A" else "B"
        assert sealer.open(sealed[:place] + other + sealed[place + 1 :], NOW) is None
    assert sealer.open(sealed[:-4], NOW) is None


@pytest.mark.parametrize("nonsense", ["", "A", "AAAA", "A" * 20, "ä", "=" * 8, "\x00", "A" * 10_000])
def test_nonsense_is_no_session(key: bytes, nonsense: str) -> None:
    assert Sealer(key).open(nonsense, NOW) is None


def test_another_key_does_not_open(key: bytes) -> None:
    assert Sealer(os.urandom(32)).open(Sealer(key).seal(ROUTE, ADA, VERSION, NOW), NOW) is None


def test_a_session_ends_by_age_and_by_request(key: bytes) -> None:
    sealer = Sealer(key)
    sealed = sealer.seal(ROUTE, ADA, VERSION, NOW)
    session = sealer.open(sealed, NOW + LIFETIME_S)
    assert session is not None
    assert sealer.open(sealed, NOW + LIFETIME_S + 1) is None
    sealer.end(session)
    assert sealer.open(sealed, NOW) is None


def test_the_binding_is_the_whole_identity_and_not_the_rights() -> None:
    assert binding_of(ADA) == binding_of(replace(ADA, authority="0" * 64, groups=("clerks",), expires_at=NOW + 9))
    others = [
        replace(ADA, subject="eve"),
        replace(ADA, tenant=TenantId("branch")),
        replace(ADA, issuer="https://other.example"),
        replace(ADA, client="other"),
        replace(ADA, actors=()),
        replace(ADA, actors=("agent-1", "agent-2")),
        replace(ADA, subject="ada\0desk", client="x"),
    ]
    assert len({binding_of(caller) for caller in (ADA, *others)}) == len(others) + 1
