"""The development issuer: its flows, and everything that keeps it on one's own machine."""

import stat
from pathlib import Path

import pytest

from tallystick.identity.issuer_dev import Agent, DevelopmentIssuer, Person
from tallystick.terms import Caller, Refusal, TallyError
from tests.identity.development import (
    ACCESS_TOKEN,
    AGENTS,
    EXCHANGE,
    ISSUER,
    MCP,
    PEOPLE,
    REDIRECT,
    RISK,
    Desk,
    answered,
    error,
)
from tests.identity.door import StandingClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a fresh issuer with its desk."""
    return Desk(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example",
        "http://id.example",
        "http://10.0.0.1:8420",
        "http://0.0.0.0:8420",
        "http://localhost.example:8420",
        "http://127.0.0.1.example",
        "http://[::ffff:10.0.0.1]",
        "http://127.0.0.1:8420/dev/",
        "http://ada@127.0.0.1:8420",
        "127.0.0.1:8420",
    ],
)
async def test_it_refuses_to_exist_anywhere_but_on_loopback(url: str, tmp_path: Path) -> None:
    with pytest.raises(TallyError):
        DevelopmentIssuer(url, tmp_path / "key", PEOPLE, AGENTS, StandingClock())
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8420", "http://127.9.9.9/dev", "http://[::1]:1", "http://localhost"])
async def test_every_spelling_of_loopback_will_do(url: str, tmp_path: Path) -> None:
    assert DevelopmentIssuer(url, tmp_path / "key", PEOPLE, AGENTS, StandingClock()).issuer_url == url


@pytest.mark.parametrize(
    "agents", [(Agent("ada", "x"),), (Agent("tally", "x"),), (Agent("bot", ""),), (Agent(" ", "x"),)]
)
async def test_names_are_distinct_and_agents_have_secrets(agents: tuple[Agent, ...], tmp_path: Path) -> None:
    with pytest.raises(TallyError):
        DevelopmentIssuer(ISSUER, tmp_path / "key", [Person("ada")], agents, StandingClock())


async def test_its_key_survives_a_restart(tmp_path: Path) -> None:
    token = Desk(tmp_path).issuer.mint("ada", MCP)
    assert isinstance(await Desk(tmp_path).caller(token), Caller)


def test_its_key_is_private_and_alone(tmp_path: Path) -> None:
    Desk(tmp_path)
    assert stat.S_IMODE((tmp_path / "dev.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["dev.key"]


async def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Desk(tmp_path)
    (tmp_path / "dev.key").chmod(0o640)
    with pytest.raises(TallyError):
        Desk(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "/dev/.well-known/openid-configuration",
        "/.well-known/openid-configuration/dev",
        "/.well-known/oauth-authorization-server/dev",
        "/dev/.well-known/oauth-authorization-server",
    ],
)
async def test_it_is_discovered_in_every_form_and_says_what_it_is(desk: Desk, path: str) -> None:
    answer = await desk.http.get(f"http://127.0.0.1:8420{path}")
    document = answer.json()
    assert document["issuer"] == ISSUER
    assert document["tallystick_development"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert desk.issuer.serves(path)


async def test_a_person_signs_in_by_code_and_pkce(desk: Desk) -> None:
    client = await desk.register(client_name="desk")
    back = answered(await desk.authorize(client["client_id"]))
    assert (back["state"], back["iss"]) == ("s", ISSUER)
    answer = (await desk.redeem(client["client_id"], back["code"])).json()
    caller = await desk.caller(answer["access_token"])
    assert isinstance(caller, Caller)
    assert (caller.subject, caller.kind, caller.groups, caller.actors) == ("ada", "person", ("analysts",), ())
    assert caller.client == client["client_id"]
    assert caller.claims["tallystick_development"] is True
    assert caller.expires_at == desk.clock.now + 3600
    assert isinstance(await desk.caller(answer["access_token"], RISK), Refusal)


async def test_the_page_lists_the_people_and_shouts(desk: Desk) -> None:
    client = await desk.register(client_name="<script>")
    page = await desk.http.get(f"{ISSUER}/authorize", params=desk.question(client["client_id"]))
    assert "DEVELOPMENT ISSUER" in page.text
    assert "Ada Analyst" in page.text
    assert "Clara &lt;Clerk&gt;" in page.text
    assert "<script>" not in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "HttpOnly; SameSite=Strict" in page.headers["set-cookie"]


async def _waiting(desk: Desk) -> tuple[str, str]:
    """Open the page; return the names of the waiting request and of the client."""
    client = await desk.register()
    page = await desk.http.get(f"{ISSUER}/authorize", params=desk.question(client["client_id"]))
    return page.text.partition('name="waiting" value="')[2].partition('"')[0], client["client_id"]


async def test_choosing_a_person_on_the_page_gives_a_code_once(desk: Desk) -> None:
    waiting, client_id = await _waiting(desk)
    choice = {"waiting": waiting, "person": "clara"}
    back = answered(await desk.http.post(f"{ISSUER}/authorize", data=choice))
    token = (await desk.redeem(client_id, back["code"])).json()["access_token"]
    caller = await desk.caller(token)
    assert isinstance(caller, Caller)
    assert caller.subject == "clara"
    assert (await desk.http.post(f"{ISSUER}/authorize", data=choice)).status_code == 400


async def test_another_browser_cannot_finish_a_sign_in(desk: Desk) -> None:
    waiting, _ = await _waiting(desk)
    desk.http.cookies.clear()
    answer = await desk.http.post(f"{ISSUER}/authorize", data={"waiting": waiting, "person": "ada"})
    assert answer.status_code == 400


async def test_a_browser_is_always_shown_the_page_even_with_a_hint(desk: Desk) -> None:
    client = await desk.register()
    parameters = desk.question(client["client_id"], login_hint="ada")
    page = await desk.http.get(f"{ISSUER}/authorize", params=parameters, headers={"sec-fetch-mode": "navigate"})
    assert (page.status_code, "location" in page.headers) == (200, False)


async def test_an_unregistered_redirect_is_never_followed(desk: Desk) -> None:
    client = await desk.register()
    for uri in (REDIRECT + "/", REDIRECT + "?a=b", "http://127.0.0.1:9998/callback", "https://evil.example", ""):
        answer = await desk.authorize(client["client_id"], redirect_uri=uri)
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert (await desk.authorize("nobody")).status_code == 400


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"resource": ""}, "invalid_target"),
        ({"resource": MCP + "#part"}, "invalid_target"),
    ],
)
async def test_a_bad_authorization_request_goes_back_as_an_error(
    desk: Desk, changes: dict[str, str], expected: str
) -> None:
    client = await desk.register()
    back = answered(await desk.authorize(client["client_id"], **changes))
    assert (back["error"], back["state"], back["iss"]) == (expected, "s", ISSUER)
    assert "code" not in back


async def test_a_repeated_parameter_is_refused(desk: Desk) -> None:
    client = await desk.register()
    answer = await desk.http.get(f"{ISSUER}/authorize?client_id={client['client_id']}&client_id=other")
    assert answer.status_code == 400


async def test_a_code_works_once(desk: Desk) -> None:
    client_id = (await desk.register())["client_id"]
    code = await desk.code(client_id)
    assert (await desk.redeem(client_id, code)).status_code == 200
    assert error(await desk.redeem(client_id, code)) == "invalid_grant"


async def test_a_code_is_good_for_sixty_seconds(desk: Desk) -> None:
    client_id = (await desk.register())["client_id"]
    code = await desk.code(client_id)
    desk.clock.now += 60
    assert error(await desk.redeem(client_id, code)) == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": REDIRECT + "/"}, "invalid_grant"),
        ({"resource": RISK}, "invalid_target"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_code_is_bound_to_everything_it_was_asked_with(
    desk: Desk, changes: dict[str, str], expected: str
) -> None:
    client_id = (await desk.register())["client_id"]
    code = await desk.code(client_id)
    assert error(await desk.redeem(client_id, code, **changes)) == expected


async def test_a_code_of_another_client_is_refused(desk: Desk) -> None:
    first, second = await desk.register(), await desk.register()
    assert error(await desk.redeem(second["client_id"], await desk.code(first["client_id"]))) == "invalid_grant"
    assert error(await desk.redeem("nobody", await desk.code(first["client_id"]))) == "invalid_client"


async def test_a_refresh_token_works_once_and_for_its_client(desk: Desk) -> None:
    client_id = (await desk.register())["client_id"]
    first = (await desk.redeem(client_id, await desk.code(client_id))).json()["refresh_token"]
    second = await desk.token({"grant_type": "refresh_token", "refresh_token": first, "client_id": client_id})
    assert isinstance(await desk.caller(second.json()["access_token"]), Caller)
    again = await desk.token({"grant_type": "refresh_token", "refresh_token": first, "client_id": client_id})
    assert error(again) == "invalid_grant"
    other = (await desk.register())["client_id"]
    fields = {"grant_type": "refresh_token", "refresh_token": second.json()["refresh_token"], "client_id": other}
    assert error(await desk.token(fields)) == "invalid_grant"


async def test_a_refresh_token_is_good_for_every_resource_of_the_sign_in(desk: Desk) -> None:
    client_id = (await desk.register())["client_id"]
    question = {**desk.question(client_id, login_hint="ada"), "resource": [MCP, RISK]}
    code = answered(await desk.http.get(f"{ISSUER}/authorize", params=question))["code"]
    answer = (await desk.redeem(client_id, code, resource=MCP)).json()
    assert isinstance(await desk.caller(answer["access_token"], RISK), Refusal)
    fields = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": answer["refresh_token"]}
    other = (await desk.token({**fields, "resource": RISK})).json()
    assert isinstance(await desk.caller(other["access_token"], RISK), Caller)
    assert isinstance(await desk.caller(other["access_token"]), Refusal)
    back = await desk.token({**fields, "refresh_token": other["refresh_token"], "resource": MCP})
    assert isinstance(await desk.caller(back.json()["access_token"]), Caller)


async def test_an_agent_acts_as_itself_with_its_own_secret(desk: Desk) -> None:
    own = {"grant_type": "client_credentials", "resource": MCP}
    good = await desk.token(own, ("nightly", "s3cret%3A%25"))
    caller = await desk.caller(good.json()["access_token"])
    assert isinstance(caller, Caller)
    assert (caller.subject, caller.kind, caller.client, caller.groups) == ("nightly", "agent", "nightly", ("agents",))
    posted = {**own, "client_id": "planner", "client_secret": "p1anner"}
    assert (await desk.token(posted)).status_code == 200
    wrong = await desk.token({**posted, "client_secret": "guess"})
    assert (wrong.status_code, error(wrong)) == (401, "invalid_client")
    assert "www-authenticate" in wrong.headers
    assert error(await desk.token({**posted, "client_secret": ""})) == "invalid_client"
    assert error(await desk.token({**posted, "resource": ""})) == "invalid_target"


async def test_a_registered_client_may_not_act_as_itself_or_for_others(desk: Desk) -> None:
    client = await desk.register(token_endpoint_auth_method="client_secret_post")
    auth = (client["client_id"], client["client_secret"])
    assert error(await desk.token({"grant_type": "client_credentials", "resource": MCP}, auth)) == "unauthorized_client"
    token = desk.issuer.mint("ada", MCP)
    fields = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": MCP}
    assert error(await desk.token(fields, auth)) == "unauthorized_client"


async def _exchanged(desk: Desk, token: str, auth: tuple[str, str], **changes: str) -> dict[str, object]:
    fields = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": RISK}
    return (await desk.token({**fields, **changes}, auth)).json()


async def test_agents_act_for_a_person_and_the_chain_is_kept(desk: Desk) -> None:
    person = desk.issuer.mint("ada", MCP)
    first = await _exchanged(desk, person, ("nightly", "s3cret%3A%25"))
    assert first["issued_token_type"] == ACCESS_TOKEN
    second = await _exchanged(desk, str(first["access_token"]), ("planner", "p1anner"))
    caller = await desk.caller(str(second["access_token"]), RISK)
    assert isinstance(caller, Caller)
    assert (caller.subject, caller.kind, caller.actors) == ("ada", "person", ("planner", "nightly"))
    assert (caller.client, caller.groups) == ("planner", ("analysts",))


async def test_an_exchanged_token_lives_no_longer_than_what_it_came_from(desk: Desk) -> None:
    person = desk.issuer.mint("ada", MCP)
    desk.clock.now += 3_000
    exchanged = await _exchanged(desk, person, ("planner", "p1anner"))
    assert exchanged["expires_in"] == 600


async def test_a_chain_of_eight_actors_is_the_longest(desk: Desk) -> None:
    token = desk.issuer.mint("ada", RISK)
    for _ in range(8):
        token = str((await _exchanged(desk, token, ("planner", "p1anner")))["access_token"])
    caller = await desk.caller(token, RISK)
    assert isinstance(caller, Caller)
    assert len(caller.actors) == 8
    assert (await _exchanged(desk, token, ("planner", "p1anner")))["error"] == "invalid_request"


async def test_only_a_valid_token_of_this_issuer_can_be_exchanged(desk: Desk, tmp_path: Path) -> None:
    auth = ("planner", "p1anner")
    person = desk.issuer.mint("ada", MCP)
    (tmp_path / "other").mkdir()
    foreign = Desk(tmp_path / "other").issuer.mint("ada", MCP)
    for token in (foreign, person[:-4], "", "a.b.c"):
        assert (await _exchanged(desk, token, auth))["error"] == "invalid_grant"
    assert (await _exchanged(desk, person, auth, subject_token_type="x"))["error"] == "invalid_request"
    assert (await _exchanged(desk, person, auth, actor_token=person))["error"] == "invalid_request"
    assert (await _exchanged(desk, person, auth, resource=""))["error"] == "invalid_target"
    desk.clock.now += 3_600
    assert (await _exchanged(desk, person, auth))["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "uris",
    [[], ["http://client.example/cb"], ["cursor://callback"], ["https://client.example/#x"], ["javascript:alert(1)"]],
)
async def test_only_loopback_and_https_redirects_are_registered(desk: Desk, uris: list[str]) -> None:
    answer = await desk.http.post(f"{ISSUER}/register", json={"redirect_uris": uris})
    assert error(answer) == "invalid_redirect_uri"


async def test_a_registration_that_is_no_json_document_is_refused(desk: Desk) -> None:
    kind = {"content-type": "application/json"}
    for body in (b"", b"[]", b'{"redirect_uris": 1}', b'{"redirect_uris": [], "redirect_uris": []}', b"x" * 70_000):
        assert (await desk.http.post(f"{ISSUER}/register", content=body, headers=kind)).status_code in {400, 413}
    plain = await desk.http.post(f"{ISSUER}/register", content=b'{"redirect_uris": ["https://a.example/"]}')
    assert plain.status_code == 415
    strange = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt"}
    assert error(await desk.http.post(f"{ISSUER}/register", json=strange)) == "invalid_client_metadata"


async def test_registrations_are_bounded(desk: Desk) -> None:
    first = await desk.register()
    for _ in range(1_000):
        await desk.register()
    assert (await desk.authorize(first["client_id"])).status_code == 400


async def test_pages_of_other_machines_and_other_names_are_refused(desk: Desk) -> None:
    discovery = f"{ISSUER}/.well-known/openid-configuration"
    assert (await desk.http.get(discovery, headers={"host": "evil.example:8420"})).status_code == 421
    assert (await desk.http.get(discovery, headers={"origin": "https://evil.example"})).status_code == 403
    registration = {"redirect_uris": ["https://evil.example/cb"]}
    evil = await desk.http.post(f"{ISSUER}/register", json=registration, headers={"origin": "https://evil.example"})
    assert evil.status_code == 403
    near = await desk.http.get(discovery, headers={"origin": "http://localhost:6274"})
    assert near.headers["access-control-allow-origin"] == "http://localhost:6274"
    preflight = await desk.http.options(f"{ISSUER}/token", headers={"origin": "http://localhost:6274"})
    assert preflight.status_code == 204


async def test_what_is_not_its_own_is_not_found(desk: Desk) -> None:
    assert (await desk.http.get(f"{ISSUER}/elsewhere")).status_code == 404
    assert (await desk.http.get(f"{ISSUER}/token")).status_code == 405
    assert not desk.issuer.serves("/servers/bank/mcp")
    assert isinstance(await desk.issuer.fetch("http://127.0.0.1:9/dev/jwks"), Refusal)
    assert isinstance(await desk.issuer.fetch(f"{ISSUER}/jwks"), bytes)


async def test_a_token_can_be_minted_for_a_person_and_an_agent(desk: Desk) -> None:
    caller = await desk.caller(desk.issuer.mint("clara", MCP, "nightly"))
    assert isinstance(caller, Caller)
    assert (caller.subject, caller.actors, caller.client) == ("clara", ("nightly",), "nightly")
    for person, actor, audience in (("nobody", None, MCP), ("ada", "nobody", MCP), ("ada", None, "bank")):
        with pytest.raises(TallyError):
            desk.issuer.mint(person, audience, actor)


async def test_every_sign_in_and_token_is_logged_as_development(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    client_id = (await desk.register())["client_id"]
    await desk.redeem(client_id, await desk.code(client_id))
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("tallystick")]
    assert len(lines) >= 2
    assert all("DEVELOPMENT ISSUER" in line for line in lines)
