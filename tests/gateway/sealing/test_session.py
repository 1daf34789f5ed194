"""Sealed sessions: what opens, what does not, for how long, and what outlives a restart."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.gateway.sealing import Seal, Sessions, Store, binding_of
from tallystick.gateway.sealing.session import LIFETIME_S, RESOURCES, SELF_DESCRIPTION
from tallystick.gateway.sealing.store import Kept
from tallystick.gateway.upstream.model import UNKNOWN_CLIENT, Client
from tallystick.terms import Caller, TenantId

NOW = 1_800_000_000.0
ADA = Caller("ada", "person", TenantId("bank"), "https://id.example", "desk", "f" * 64, NOW + 60, actors=("agent-1",))
ROUTE = "servers/desk"
VERSION = "2025-11-25"
SAID = Client({"elicitation": {"url": {}}}, {"name": "desk", "version": "1"})
KEY = os.urandom(32)


def sessions_of(folder: Path, key: bytes = KEY, worker: int = 0) -> Sessions:
    """Return the sessions of a new process over the same files."""
    return Sessions(Seal(key), Store(folder / "sessions.db", NOW), worker)


def test_a_session_opens_with_what_was_sealed_and_at_every_replica(tmp_path: Path) -> None:
    sealed = sessions_of(tmp_path).begin(ROUTE, ADA, VERSION, SAID, NOW)
    for replica in (sessions_of(tmp_path), sessions_of(tmp_path, worker=3)):
        session = replica.open(sealed, NOW + 1)
        assert session is not None
        assert session[1:6] == (ROUTE, binding_of(ADA), VERSION, NOW, 0)
        assert replica.client_of(sealed) == SAID
        assert replica.worker_of(sealed) == 0


def test_an_id_says_nothing_to_its_reader(tmp_path: Path) -> None:
    sealed = sessions_of(tmp_path).begin(ROUTE, ADA, VERSION, SAID, NOW)
    assert sealed.isascii()
    assert sealed.isprintable()
    assert "ada" not in sealed
    assert sessions_of(tmp_path).begin(ROUTE, ADA, VERSION, SAID, NOW) != sealed


def test_no_changed_id_opens(tmp_path: Path) -> None:
    sessions = sessions_of(tmp_path)
    sealed = sessions.begin(ROUTE, ADA, VERSION, UNKNOWN_CLIENT, NOW)
    for place in range(len(sealed)):
        other = "A" if sealed[place] != "A" else "B"
        assert sessions.open(sealed[:place] + other + sealed[place + 1 :], NOW) is None
    assert sessions.open(sealed[:-4], NOW) is None


@pytest.mark.parametrize("nonsense", ["", "A", "AAAA", "A" * 20, "ä", "=" * 8, "\x00", "AAAA AAAA", "A" * 2_000_000])
def test_nonsense_is_no_session(tmp_path: Path, nonsense: str) -> None:
    assert sessions_of(tmp_path).open(nonsense, NOW) is None


def test_another_key_does_not_open(tmp_path: Path) -> None:
    sealed = sessions_of(tmp_path).begin(ROUTE, ADA, VERSION, SAID, NOW)
    assert sessions_of(tmp_path, os.urandom(32)).open(sealed, NOW) is None


@pytest.mark.anyio
async def test_a_session_ends_by_age_and_by_request_and_stays_ended(tmp_path: Path) -> None:
    sessions = sessions_of(tmp_path)
    sealed = sessions.begin(ROUTE, ADA, VERSION, SAID, NOW)
    assert sessions.open(sealed, NOW + LIFETIME_S) is not None
    assert sessions.open(sealed, NOW + LIFETIME_S + 1) is None
    await sessions.end(sealed)
    assert sessions.open(sealed, NOW) is None
    assert sessions_of(tmp_path).open(sealed, NOW) is None


@pytest.mark.anyio
async def test_a_log_level_and_subscriptions_outlive_the_process(tmp_path: Path) -> None:
    sessions = sessions_of(tmp_path)
    sealed = sessions.begin(ROUTE, ADA, VERSION, SAID, NOW)
    await sessions.set_level(sealed, "warning")
    for uri in ("file:///a", "file:///b", "file:///a"):
        await sessions.subscribe(sealed, uri, on=True)
    await sessions.subscribe(sealed, "file:///b", on=False)
    again = sessions_of(tmp_path)
    assert again.open(sealed, NOW) is not None
    assert again.client_of(sealed).log_level == "warning"
    assert again.resources_of(sealed) == ("file:///a",)


@pytest.mark.anyio
async def test_subscriptions_are_bounded(tmp_path: Path) -> None:
    sessions = sessions_of(tmp_path)
    sealed = sessions.begin(ROUTE, ADA, VERSION, SAID, NOW)
    for number in range(RESOURCES + 3):
        await sessions.subscribe(sealed, f"x:{number}", on=True)
    assert len(sessions.resources_of(sealed)) == RESOURCES


def test_what_is_kept_is_forgotten_with_the_age_of_its_session(tmp_path: Path) -> None:
    store = Store(tmp_path / "sessions.db", NOW)
    kept = store.get("k")._replace(log_level="info")
    store.put("k", kept, NOW + 10)
    assert Store(tmp_path / "sessions.db", NOW + 9).get("k") == kept
    assert Store(tmp_path / "sessions.db", NOW + 11).get("k") != kept


def test_whoever_looks_a_session_up_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    store = Store(tmp_path / "sessions.db", NOW)
    store.put("k", Kept(log_level="info"), NOW + 10)
    other = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE session SET log_level = 'debug'")
    with ThreadPoolExecutor(1) as writer:
        waiting = writer.submit(store.put, "k", Kept(ended=True), NOW + 10)
        assert store.get("k") == Kept(log_level="info")
        assert not waiting.done()
        other.execute("COMMIT")
        waiting.result()
    assert store.get("k") == Kept(ended=True)


def test_an_id_of_another_release_is_no_session(tmp_path: Path) -> None:
    sealed = Seal(KEY).close("session", b'["key","servers/desk"]')
    assert sessions_of(tmp_path).open(sealed, NOW) is None
    assert sessions_of(tmp_path).worker_of(sealed) is None


def test_a_client_that_says_too_much_is_kept_short(tmp_path: Path) -> None:
    sessions = sessions_of(tmp_path)
    named = sessions.begin(ROUTE, ADA, VERSION, Client({"roots": {}}, {"name": "x" * SELF_DESCRIPTION}), NOW)
    assert sessions.client_of(named) == Client({"roots": {}})
    long = sessions.begin(ROUTE, ADA, VERSION, Client({"roots": {}, "experimental": {"x": "y" * 9000}}), NOW)
    assert sessions.client_of(long) == Client({"roots": {}})
    assert len(long) < 2 * SELF_DESCRIPTION


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
        # Joined by any separator, these would be Ada's own parts.
        replace(ADA, subject="ada\0desk", client="agent-1", actors=()),
        replace(ADA, subject="ada", client="desk\0agent-1", actors=()),
    ]
    assert len({binding_of(caller) for caller in (ADA, *others)}) == len(others) + 1
