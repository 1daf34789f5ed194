"""Tokens and sessions: whoever cannot be known is refused, and nothing else that is sent stands for an identity."""

import base64
import json
import uuid
from collections.abc import Mapping

import anyio
import pytest

from tallystick.settings import GatewaySettings
from tests.attacks.advisory import holds
from tests.attacks.raw import post, send
from tests.attacks.victim import BODY, ROUTE, attack, headers_of, nothing_arrives
from tests.interaction.legacy import Legacy
from tests.interaction.stage import Stage, reasons_of, text_of

pytestmark = pytest.mark.anyio


def _unsigned(claims: Mapping[str, object], algorithm: str) -> str:
    parts = [json.dumps({"alg": algorithm, "typ": "at+jwt"}), json.dumps(claims)]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."


FORMS = [
    *(
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer a.b.c",
        "Bearer null",
        "Bearer undefined",
        "Basic YTpi",
        "Digest x",
    ),
    *(
        "{token}",
        "Token {token}",
        "Bearer Bearer {token}",
        "Bearer {token},{token}",
        "Bearer {token} x",
        "Bearer {cut}",
    ),
    *("Bearer {token}=", "Bearer {padded}", "Bearer sk-1234", 'Bearer "{token}"', "Bearer {none}", "Bearer {cased}"),
    *("Basic {token}", "Bearer\xa0{token}", "Bearer;{token}", "Negotiate {token}", "DPoP {token}"),
]


@pytest.mark.parametrize("form", FORMS)
@holds("CVE-2026-59822", "CVE-2026-12773")
async def test_an_authorization_that_is_no_token_never_becomes_anybody(stage: Stage, form: str) -> None:
    token, claims = stage.token(), {"sub": "ada", "tenant": "bank", "aud": stage.url, "iss": stage.world.issuer.issuer}
    spellings = {
        "token": token,
        "cut": token[:-4],
        "padded": token.replace(".", "=.", 1),
        "none": _unsigned(claims, "none"),
        "cased": _unsigned(claims, "NoNe") + "x",
    }
    with nothing_arrives(stage):
        answer = await attack(stage, {"authorization": form.format(**spellings)})
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("place", ["cookie", "x-api-key", "x-access-token", "proxy-authorization", "mcp-session-id"])
async def test_a_token_counts_in_its_header_only(stage: Stage, place: str) -> None:
    with nothing_arrives(stage):
        answer = await attack(stage, {"authorization": None, place: f"Bearer {stage.token()}"})
        inside = BODY.replace(b'"_meta": {', b'"_meta": {"authorization": "Bearer %b", ' % stage.token().encode())
        other = await attack(stage, {"authorization": None}, inside)
    assert (answer.status, answer.reasons, other.status) == (401, ["token_missing"], 401)


async def test_two_authorization_headers_are_refused(stage: Stage) -> None:
    with nothing_arrives(stage):
        answer = await attack(stage, lines=f"Authorization: Bearer {stage.token('eve')}\r\n")
    assert (answer.status, answer.reasons) == (400, ["header_mismatch"])


async def test_cve_2026_35030_tokens_that_begin_alike_are_not_confused(stage: Stage) -> None:
    ada, eve = stage.token("ada"), stage.token("ada", groups=[])
    assert ada[:100] == eve[:100]
    assert text_of(await stage.call(ROUTE, "echo", {"text": "mine"}, token=ada)) == "mine"
    with nothing_arrives(stage):
        assert reasons_of(await stage.call(ROUTE, "echo", {"text": "x"}, token=eve)) == ["no_policy_allows"]
        changed = ada[:-10] + ("A" if ada[-10] != "A" else "B") + ada[-9:]
        assert reasons_of(await stage.call(ROUTE, "echo", {"text": "x"}, token=changed)) == ["token_invalid"]


@holds("GHSA-w4fh-qvv9-3v23", "GHSA-rvq5-wwqv-78pq", "CVE-2025-69196", "GHSA-xwmw-prc4-v3cr")
async def test_a_token_for_somebody_else_is_refused(stage: Stage) -> None:
    others = [
        "https://elsewhere.example",
        stage.url + "/",
        stage.url + ".evil.example",
        stage.endpoint("servers/risk"),
        "",
    ]
    with nothing_arrives(stage):
        for audience in (*others, [*others], [], None, 1):
            answer = await stage.call(ROUTE, "echo", {"text": "x"}, token=stage.token(aud=audience))
            assert (answer.status_code, reasons_of(answer)) == (401, ["audience_wrong"])


def _spellings(session: str) -> list[str]:
    sealed = base64.urlsafe_b64decode(session + "=" * (-len(session) % 4))
    flipped = [sealed[:place] + bytes((sealed[place] ^ 1,)) + sealed[place + 1 :] for place in (0, 12, len(sealed) - 1)]
    again = [base64.urlsafe_b64encode(value).decode().rstrip("=") for value in flipped]
    made = [uuid.uuid4().hex, str(uuid.uuid4()), "1", "0" * len(session), "A" * 60_000, "null", "{}", "../../session"]
    return [*again, *made, session[:-1], session[1:], session + session, f"{session}.x", f"{session}, {session}"]


@holds("CVE-2026-19516", "CVE-2025-6515")
async def test_the_form_of_a_session_id_is_no_identity(stage: Stage) -> None:
    client = Legacy(stage, ROUTE, "2025-11-25")
    await client.open()
    assert client.session is not None
    session = client.session
    with nothing_arrives(stage):
        for spelling in _spellings(session):
            client.session = spelling
            answer = await client.call("echo", {"text": "x"})
            assert (spelling[:40], answer.status_code) == (spelling[:40], 404)
    client.session = session
    assert text_of(await client.call("echo", {"text": "still"})) == "still"


@holds("GHSA-hqg7-qjgg-q779", "CVE-2026-52869", "CVE-2026-67430", "CVE-2026-33946", "incident:asana")
async def test_a_session_of_another_principal_is_unknown(stage: Stage) -> None:
    owner = Legacy(stage, ROUTE, "2025-11-25")
    await owner.open()
    strangers = {
        "another person": stage.token("bob"),
        "another client": stage.token(client_id="another"),
        "with an actor": stage.token(act={"sub": "agent"}),
    }
    with nothing_arrives(stage):
        for token in strangers.values():
            thief = Legacy(stage, ROUTE, "2025-11-25", token)
            thief.session = owner.session
            answer = await thief.call("echo", {"text": "x"})
            assert (answer.status_code, reasons_of(answer)) == (404, ["session_unknown"])
            assert (await thief.end()).status_code == 404
    assert text_of(await owner.call("echo", {"text": "still"})) == "still"


@pytest.mark.parametrize("route", ["toolsets/desks", "servers/risk", "servers/line"])
async def test_ghsa_mvgg_jvj2_4frq_a_session_of_another_route_is_unknown(stage: Stage, route: str) -> None:
    owner = Legacy(stage, ROUTE, "2025-11-25")
    await owner.open()
    elsewhere = Legacy(stage, route, "2025-11-25")
    elsewhere.session = owner.session
    with nothing_arrives(stage):
        answer = await elsewhere.call("desk__echo" if "toolsets" in route else "echo", {"text": "x"})
    assert (answer.status_code, reasons_of(answer)) == (404, ["session_unknown"])


@holds("CVE-2026-25536", "GHSA-345p-7cg4-v4c7")
@pytest.mark.parametrize("route", ["servers/desk", "servers/line"])
async def test_answers_find_their_clients_though_all_use_the_same_ids(stage: Stage, route: str) -> None:
    got: dict[str, str] = {}

    async def ask(name: str, client: Legacy | None) -> None:
        asked = {"text": name}
        answer = await (
            client.call("echo", asked) if client else stage.call(route, "echo", asked, token=stage.token(name))
        )
        got[name] = text_of(answer)

    clients = {
        f"person {number}": Legacy(stage, route, "2025-11-25", stage.token(f"person {number}")) for number in range(5)
    }
    for client in clients.values():
        await client.open()
    async with anyio.create_task_group() as group:
        for name, client in clients.items():
            group.start_soon(ask, name, client)
            group.start_soon(ask, f"modern {name}", None)
    assert len(got) == 10
    assert all(name == text for name, text in got.items())


async def test_a_session_never_authenticates(stage: Stage) -> None:
    owner = Legacy(stage, ROUTE, "2025-11-25")
    await owner.open()
    headers = {"authorization": None, "mcp-session-id": owner.session, "mcp-protocol-version": "2025-11-25"}
    with nothing_arrives(stage):
        answer = await attack(stage, headers, b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
    assert (answer.status, answer.reasons) == (401, ["token_missing"])


@holds("CVE-2026-103758", "GHSA-g7j8-wp7h-wmgr", "#3892 class")
async def test_an_unknown_route_and_a_foreign_one_are_refused_alike(stage: Stage) -> None:
    foreign = {"authorization": f"Bearer {stage.token('olga', tenant='branch')}"}
    with nothing_arrives(stage):
        answers = [
            await attack(stage, foreign, path=f"/servers/{name}/mcp") for name in ("desk", "nobodys", "DESK", "x'--")
        ]
    told = [(answer.status, answer.reasons, sorted(answer.headers)) for answer in answers]
    assert told == [told[0]] * len(told)
    assert told[0][:2] == (404, ["route_unknown"])


@holds(
    "CVE-2026-76092",
    "GHSA-gc9p-rmpx-vv9j",
    "CVE-2026-103758",
    "CVE-2025-49596",
    "CVE-2026-32211",
    "CVE-2026-44895",
    "CVE-2026-59823",
)
async def test_declared_authentication_is_active_on_every_route(stage: Stage) -> None:
    assert stage.gateway.routes
    with nothing_arrives(stage):
        for route in stage.gateway.routes:
            answer = await attack(stage, {"authorization": None}, path=f"/{route}/mcp")
            assert (route, answer.status, answer.reasons) == (route, 401, ["token_missing"])
            ending = post(f"/{route}/mcp", {**headers_of(stage), "authorization": None}, b"")
            assert (await send(stage.url, ending.replace(b"POST", b"DELETE", 1))).status in {401, 405}


@holds("CVE-2026-35029", "CVE-2026-84377", "CVE-2026-105138", "GHSA-qg2g-g9w3-m5h8")
async def test_ghsa_jj4w_pfgv_4mrm_nothing_listens_on_a_network_by_default(stage: Stage) -> None:
    assert GatewaySettings().listen_host == "127.0.0.1"
    assert (GatewaySettings().allowed_hosts, GatewaySettings().allowed_origins) == ((), ())
    for path in (
        "/",
        "/admin",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/debug",
        "/api/mcp/servers",
        "/register",
        "/healthz/..",
    ):
        answer = await send(stage.url, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (path, answer.status) == (path, 404)


async def test_metadata_does_not_tell_which_routes_there_are(stage: Stage) -> None:
    found: list[tuple[int, bytes]] = []
    for name in ("desk", "risk", "nobodys"):
        path = f"/.well-known/oauth-protected-resource/servers/{name}/mcp"
        answer = await send(stage.url, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        without = answer.body.replace(name.encode(), b"")
        found.append((answer.status, without))
    assert found == [found[0]] * 3
    assert not any(server.encode() in found[0][1] for server in ("desk", "line"))
