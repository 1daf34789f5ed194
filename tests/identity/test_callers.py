"""What a good token says about its caller."""

import hashlib
import json
from collections.abc import Callable

import pytest

from tallystick.identity import TrustedIssuer
from tallystick.terms import Reason, TallyError, TenantId
from tests.identity.door import BANK, Door
from tests.identity.remote_issuer import NOW, RESOURCE, RemoteIssuer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("key_id", ["EdDSA-1", "ES256-1", "RS256-1"])
async def test_a_good_token_of_each_algorithm_names_its_caller(key_id: str) -> None:
    door = Door()
    caller = await door.caller(door.remote.token(key_id))
    assert (caller.subject, caller.kind, caller.tenant, caller.issuer) == ("ada", "person", BANK, door.remote.issuer)
    assert (caller.client, caller.groups, caller.actors) == ("desk-client", ("analysts", "clerks"), ())
    assert caller.expires_at == NOW + 3600


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", None])
async def test_the_types_of_an_access_token_are_accepted(typ: str | None) -> None:
    door = Door()
    assert (await door.caller(door.remote.token(header={"typ": typ}))).subject == "ada"


async def test_one_of_several_audiences_is_enough() -> None:
    door = Door()
    assert (await door.caller(door.remote.token(aud=["https://other.example", RESOURCE]))).subject == "ada"


async def test_a_clock_that_differs_by_less_than_the_skew_is_tolerated() -> None:
    door = Door()
    for changes in ({"exp": NOW - 29}, {"nbf": NOW + 30}, {"iat": NOW + 30}):
        assert (await door.caller(door.remote.token_of(changes))).subject == "ada"


async def test_a_token_without_kid_is_verified_with_the_only_key_of_its_algorithm() -> None:
    door = Door()
    assert (await door.caller(door.remote.token("ES256-1", header={"kid": None}))).subject == "ada"


async def test_an_access_token_that_says_bearer_may_carry_a_nonce() -> None:
    door = Door()
    assert (await door.caller(door.remote.token(header={"typ": "JWT"}, typ="Bearer", nonce="n"))).subject == "ada"


@pytest.mark.parametrize("claim", ["client_id", "azp", "cid"])
async def test_a_subject_that_is_its_own_client_is_an_agent(claim: str) -> None:
    door = Door()
    caller = await door.caller(
        door.remote.token_of({"client_id": None, claim: "nightly-agent", "sub": "nightly-agent"})
    )
    assert (caller.kind, caller.client) == ("agent", "nightly-agent")


@pytest.mark.parametrize(("mark", "kind"), [("app", "agent"), ("user", "person"), (None, "person"), (True, "person")])
async def test_an_issuer_may_mark_its_agents_with_a_claim(mark: object, kind: str) -> None:
    remote = RemoteIssuer()
    door = Door(remote, TrustedIssuer(remote.issuer, tenant=BANK, agent_claim="idtyp", agent_value="app"))
    assert (await door.caller(remote.token(idtyp=mark))).kind == kind


async def test_a_true_agent_claim_marks_an_agent() -> None:
    remote = RemoteIssuer()
    door = Door(remote, TrustedIssuer(remote.issuer, tenant=BANK, agent_claim="is_agent"))
    assert (await door.caller(remote.token(is_agent=True))).kind == "agent"
    assert (await door.caller(remote.token(is_agent=False))).kind == "person"


async def test_actors_are_listed_outermost_first() -> None:
    door = Door()
    chain = {"sub": "planner", "act": {"sub": "writer", "iss": door.remote.issuer, "act": {"sub": "desk"}}}
    caller = await door.caller(door.remote.token(act=chain))
    assert (caller.subject, caller.kind, caller.actors) == ("ada", "person", ("planner", "writer", "desk"))


async def test_claim_names_can_be_chosen_per_issuer() -> None:
    remote = RemoteIssuer()
    trusted = TrustedIssuer(remote.issuer, tenant=BANK, subject_claim="email", groups_claim="roles", client_claim="app")
    caller = await Door(remote, trusted).caller(remote.token(email="ada@bank.example", roles="admin", app="desk"))
    assert (caller.subject, caller.groups, caller.client) == ("ada@bank.example", ("admin",), "desk")


async def test_a_claim_can_name_the_tenant_and_an_unknown_one_is_refused() -> None:
    remote = RemoteIssuer()
    door = Door(remote, TrustedIssuer(remote.issuer, tenant_claim="tid"))
    assert (await door.caller(remote.token(tid="bank"))).tenant == BANK
    for value in ("elsewhere", "", None, 7, ["bank"], "Bank"):
        assert await door.reasons(remote.token(tid=value)) == (Reason.TENANT_UNKNOWN,)


async def test_a_fixed_tenant_that_is_not_configured_is_refused() -> None:
    remote = RemoteIssuer()
    door = Door(remote, TrustedIssuer(remote.issuer, tenant=TenantId("closed")))
    assert await door.reasons(remote.token()) == (Reason.TENANT_UNKNOWN,)


async def test_claims_are_read_only() -> None:
    door = Door()
    claims = (await door.caller(door.remote.token(level=3))).claims
    assert claims["level"] == 3
    assert not hasattr(claims, "__setitem__")


async def test_two_tokens_of_equal_rights_have_equal_authority() -> None:
    door = Door()
    first = await door.caller(door.remote.token(jti="1"))
    second = await door.caller(door.remote.token(jti="2", iat=NOW - 5, exp=NOW + 60, nbf=NOW))
    assert first.authority == second.authority


@pytest.mark.parametrize(
    "changes", [{"sub": "grace"}, {"groups": ["clerks"]}, {"act": {"sub": "x"}}, {"scope": "a"}, {"acr": "2"}]
)
async def test_any_other_claim_changes_the_authority(changes: dict[str, object]) -> None:
    door = Door()
    plain = await door.caller(door.remote.token())
    assert (await door.caller(door.remote.token_of(changes))).authority != plain.authority


async def test_another_reading_of_the_same_claims_changes_the_authority() -> None:
    remote = RemoteIssuer()
    groups = await Door(remote).caller(remote.token(roles=["admin"]))
    trusted = TrustedIssuer(remote.issuer, tenant=BANK, groups_claim="roles")
    roles = await Door(remote, trusted).caller(remote.token(roles=["admin"]))
    assert groups.authority != roles.authority


async def test_the_authority_is_the_documented_hash() -> None:
    door = Door()
    caller = await door.caller(door.remote.token())
    lasting = {name: value for name, value in door.remote.claims().items() if name not in {"iat", "exp"}}
    derived = ["ada", "person", "bank", "desk-client", ["analysts", "clerks"], []]
    text = json.dumps([lasting, derived], sort_keys=True, separators=(",", ":"))
    assert caller.authority == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "make",
    [
        lambda: TrustedIssuer("http://id.example", tenant=BANK),
        lambda: TrustedIssuer("https://user@id.example", tenant=BANK),
        lambda: TrustedIssuer("https://id.example?x=1", tenant=BANK),
        lambda: TrustedIssuer("https://id.example#x", tenant=BANK),
        lambda: TrustedIssuer("ftp://id.example", tenant=BANK),
        lambda: TrustedIssuer("https://[::1", tenant=BANK),
        lambda: TrustedIssuer("https://id.example"),
        lambda: TrustedIssuer("https://id.example", tenant=BANK, tenant_claim="tid"),
        lambda: TrustedIssuer("https://id.example", tenant=BANK, algorithms=()),
        lambda: TrustedIssuer("https://id.example", tenant=BANK, jwks_uri="http://id.example/keys"),
        lambda: TrustedIssuer("https://id.example", tenant=BANK, skew_s=301),
        lambda: TrustedIssuer("https://id.example", tenant=BANK, subject_claim=""),
    ],
)
async def test_a_description_that_admits_too_much_is_refused(make: Callable[[], TrustedIssuer]) -> None:
    with pytest.raises(TallyError):
        make()


async def test_two_issuers_of_one_name_are_refused() -> None:
    remote = RemoteIssuer()
    door = Door(remote)
    with pytest.raises(TallyError):
        door.authenticator.replace([door.trusted, door.trusted], frozenset({BANK}))


async def test_plain_http_is_for_loopback_only() -> None:
    for issuer in ("http://127.0.0.1:8420/dev", "http://[::1]:8420", "http://localhost"):
        assert TrustedIssuer(issuer, tenant=BANK).issuer == issuer
    with pytest.raises(TallyError):
        TrustedIssuer("http://localhost.example", tenant=BANK)
