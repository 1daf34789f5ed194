"""Discovery, rotation, outage, and what an attacker with invented key names can make us do: nothing."""

import json

import anyio
import pytest

from tallystick.identity import TrustedIssuer
from tallystick.terms import Caller, Reason, Refusal
from tests.identity.door import AUDIENCES, BANK, Door
from tests.identity.remote_issuer import RemoteIssuer, jwk

pytestmark = pytest.mark.anyio


async def test_a_rotated_key_is_fetched_when_its_name_first_appears() -> None:
    door = Door()
    await door.caller(door.remote.token())
    door.remote.rotate("2")
    door.clock.now += 10
    assert (await door.caller(door.remote.token("EdDSA-2"))).subject == "ada"


async def test_a_withdrawn_key_stops_working_once_the_keys_are_stale() -> None:
    door = Door()
    await door.caller(door.remote.token())
    old = door.remote.token(jti="old")
    door.remote.rotate("2")
    door.clock.now += 600
    assert await door.reasons(old) == (Reason.TOKEN_INVALID,)


async def test_invented_key_names_cause_one_fetch_per_cool_down() -> None:
    door = Door()
    await door.caller(door.remote.token())
    before = len(door.remote.asked)
    for number in range(50):
        await door.reasons(door.remote.token(header={"kid": f"invented-{number}"}))
    assert len(door.remote.asked) == before, "within the cool-down of the first fetch"
    door.clock.now += 10
    for number in range(50):
        await door.reasons(door.remote.token(header={"kid": f"invented-{number}"}))
    assert door.remote.asked[before:] == list(door.remote.documents)


async def test_requests_that_miss_at_the_same_time_share_one_fetch() -> None:
    door = Door()
    gate = anyio.Event()
    door.remote.wait = gate.wait
    outcomes: list[Caller | Refusal] = []

    async def ask(number: int) -> None:
        outcomes.append(await door.ask(door.remote.token(jti=str(number))))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(ask, number)
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert [type(outcome) for outcome in outcomes] == [Caller] * 20
    assert door.remote.asked == list(door.remote.documents)


async def test_a_request_that_is_given_up_leaves_its_fetch_to_the_others() -> None:
    door = Door()
    gate = anyio.Event()
    door.remote.wait = gate.wait
    outcomes: list[Caller | Refusal] = []

    async def ask_and_hang_up(scope: anyio.CancelScope) -> None:
        with scope:
            await door.ask(door.remote.token())

    async def ask() -> None:
        outcomes.append(await door.ask(door.remote.token()))

    scope = anyio.CancelScope()
    async with anyio.create_task_group() as group:
        group.start_soon(ask_and_hang_up, scope)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert [type(outcome) for outcome in outcomes] == [Caller]
    assert door.remote.asked == list(door.remote.documents)


async def test_an_issuer_that_was_never_reached_is_unavailable_and_asked_again_later() -> None:
    door = Door()
    door.remote.is_down = True
    outcome = await door.ask(door.remote.token())
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.reasons) == ("unavailable", (Reason.ISSUER_UNAVAILABLE,))
    door.remote.is_down = False
    assert await door.reasons(door.remote.token()) == (Reason.ISSUER_UNAVAILABLE,)
    door.clock.now += 10
    assert (await door.caller(door.remote.token())).subject == "ada"


async def test_old_keys_serve_through_an_outage_until_their_maximum_age() -> None:
    door = Door()
    await door.caller(door.remote.token())
    door.remote.is_down = True
    door.clock.now += 21_599
    assert (await door.caller(door.remote.token(exp=door.clock.now + 60))).subject == "ada"
    door.clock.now += 1
    assert await door.reasons(door.remote.token(exp=door.clock.now + 90)) == (Reason.ISSUER_UNAVAILABLE,)


async def test_known_keys_serve_while_a_slow_issuer_is_being_asked() -> None:
    door = Door()
    await door.caller(door.remote.token())
    door.clock.now += 600
    gate = anyio.Event()
    door.remote.wait = gate.wait
    async with anyio.create_task_group() as group:
        group.start_soon(door.ask, door.remote.token(jti="first"))
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            assert (await door.caller(door.remote.token(jti="second"))).subject == "ada"
        gate.set()


async def test_a_clock_that_was_set_back_does_not_make_keys_younger() -> None:
    door = Door()
    await door.caller(door.remote.token())
    asked = len(door.remote.asked)
    door.clock.now -= 7_200
    await door.ask(door.remote.token(iat=door.clock.now, exp=door.clock.now + 60))
    assert len(door.remote.asked) > asked


async def test_a_path_issuer_is_discovered_in_the_order_of_rfc_8414() -> None:
    remote = RemoteIssuer("https://id.example/realms/bank")
    door = Door(remote)
    remote.documents = {remote.jwks_uri: remote.documents[remote.jwks_uri]}
    await door.reasons(remote.token())
    assert remote.asked == [
        "https://id.example/.well-known/oauth-authorization-server/realms/bank",
        "https://id.example/.well-known/openid-configuration/realms/bank",
        "https://id.example/realms/bank/.well-known/openid-configuration",
    ]


async def test_a_path_issuer_that_serves_only_the_openid_form_is_found() -> None:
    remote = RemoteIssuer("https://id.example/realms/bank")
    assert (await Door(remote).caller(remote.token())).issuer == remote.issuer


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://id.example/", "jwks_uri": "https://id.example/keys"},
        {"issuer": "https://evil.example", "jwks_uri": "https://id.example/keys"},
        {"jwks_uri": "https://id.example/keys"},
        {"issuer": "https://id.example"},
        {"issuer": "https://id.example", "jwks_uri": "http://id.example/keys"},
        {"issuer": "https://id.example", "jwks_uri": "file:///etc/keys"},
        ["https://id.example"],
    ],
)
async def test_a_discovery_document_that_is_not_this_issuers_is_not_used(document: object) -> None:
    door = Door()
    door.remote.documents["https://id.example/.well-known/openid-configuration"] = json.dumps(document).encode()
    assert await door.reasons(door.remote.token()) == (Reason.ISSUER_UNAVAILABLE,)
    assert all("/.well-known/" in url for url in door.remote.asked), "no key set was asked for"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [], "keys": []}', b"\xff"])
async def test_a_broken_key_set_leaves_the_old_keys_in_place(body: bytes) -> None:
    door = Door()
    await door.caller(door.remote.token())
    door.remote.documents[door.remote.jwks_uri] = body
    door.clock.now += 600
    assert (await door.caller(door.remote.token(jti="later"))).subject == "ada"


async def test_unusable_members_of_a_key_set_are_passed_over() -> None:
    door = Door()
    good = jwk(door.remote.keys["EdDSA-1"], "EdDSA-1")
    door.remote.publish(
        [{}, {"kty": "oct", "k": "AAAA"}, {"kty": "OKP", "crv": "Ed448", "x": "AA"}, {"kty": "RSA"}, good]
    )
    assert (await door.caller(door.remote.token())).subject == "ada"


async def test_a_static_jwks_uri_replaces_discovery() -> None:
    remote = RemoteIssuer()
    door = Door(remote, TrustedIssuer(remote.issuer, tenant=BANK, jwks_uri=remote.jwks_uri))
    await door.caller(remote.token())
    assert remote.asked == [remote.jwks_uri]


async def test_a_replacement_keeps_the_keys_of_unchanged_issuers_and_no_verdicts() -> None:
    door = Door()
    token = door.remote.token()
    await door.caller(token)
    asked = len(door.remote.asked)
    door.authenticator = door.authenticator.replace([door.trusted], frozenset())
    assert await door.reasons(token) == (Reason.TENANT_UNKNOWN,)
    assert door.authenticator.lookup(b"Bearer " + token.encode(), AUDIENCES) is None
    assert len(door.remote.asked) == asked


async def test_a_key_of_one_issuer_does_not_verify_for_another() -> None:
    remote, other = RemoteIssuer(), RemoteIssuer("https://other.example")
    door = Door(remote)
    remote.documents |= other.documents
    door.authenticator = door.authenticator.replace(
        [door.trusted, TrustedIssuer(other.issuer, tenant=BANK)], frozenset({BANK})
    )
    assert await door.reasons(remote.token(iss=other.issuer)) == (Reason.TOKEN_INVALID,)
