"""Paths, hosts, origins, verbs and headers that mean one thing to us and another to something else."""

import pytest

from tests.attacks.advisory import holds
from tests.attacks.raw import line, post, send
from tests.attacks.victim import BODY, ROUTE, attack, headers_of, nothing_arrives, seen
from tests.interaction.stage import Stage

pytestmark = pytest.mark.anyio

PATHS = [
    *(
        "/servers/desk/mcp/",
        "/servers/desk/mcp/sse",
        "/servers/desk/sse",
        "/servers/desk/mcp;x=1",
        "/servers/desk;/mcp",
    ),
    *(
        "//servers/desk/mcp",
        "/servers//desk/mcp",
        "/servers/desk//mcp",
        "/./servers/desk/mcp",
        "/servers/desk/../desk/mcp",
    ),
    *(
        "/servers%2fdesk%2fmcp",
        "/servers/desk%2Fmcp",
        "/%73ervers/desk/mcp",
        "/servers/desk/mcp%00",
        "/servers/desk/mcp%20",
    ),
    *("/servers/desk/mcp%2f", "/servers/%2e%2e/servers/desk/mcp", "/servers/desk/mcp%0d%0a", "/servers/%64esk/mcp"),
    *(
        "/servers/desk/MCP",
        "/Servers/desk/mcp",
        "/servers/desk/mcp.json",
        "/servers/desk/message",
        "/servers/desk\\mcp",
    ),
    *(
        "/mcp",
        "/",
        "/servers/mcp",
        "/mcp/servers/desk/mcp",
        "/servers/desk/mcp/x",
        "/toolsets/desk/mcp",
        "/servers/../mcp",
    ),
    *("/servers/desk/mcp#", "http://evil.example/servers/desk/mcp", "servers/desk/mcp", "*"),
]


@pytest.mark.parametrize("path", PATHS)
async def test_ghsa_h4mf_84xq_q2fc_only_the_exact_path_is_an_endpoint(stage: Stage, path: str) -> None:
    with nothing_arrives(stage):
        answer = await attack(stage, path=path)
    assert answer.status in {400, 404}


async def test_ghsa_h4mf_84xq_q2fc_a_query_gives_no_right(stage: Stage) -> None:
    with nothing_arrives(stage):
        for query in (
            "?access_token={}",
            "?token={}",
            "?authorization=Bearer%20{}",
            "?session_id={}",
            "?method=DELETE",
        ):
            path = f"/{ROUTE}/mcp" + query.format(stage.token())
            answer = await attack(stage, {"authorization": None}, path=path)
            assert (answer.status, answer.reasons) == (401, ["token_missing"])


HOSTS = [
    *(
        "evil.example",
        "evil.example:80",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        "[::1]",
        "127.0.0.1.evil.example",
    ),
    *("{own}/", "{own}/?#", "{own}?", "{own}#", "a@{own}", "{own}@evil.example", "{own}.", "{own},evil.example", ""),
    *("{own}:80", "http://{own}", "{own}/../", "2130706433", "0x7f.1", "evil.example/{own}"),
]


@pytest.mark.parametrize("host", HOSTS)
@holds("CVE-2025-64443", "CVE-2026-48710", "CVE-2026-42559", "CVE-2026-35568", "GHSA-qg2g-g9w3-m5h8")
async def test_another_host_is_refused(stage: Stage, host: str) -> None:
    with nothing_arrives(stage):
        answer = await attack(stage, {"host": host.format(own=stage.url.removeprefix("http://"))})
    assert answer.status in {400, 421}


async def test_cve_2025_66416_the_host_is_checked_without_any_setting(stage: Stage) -> None:
    assert stage.gateway.settings.gateway.allowed_hosts == ()
    for host in ("rebound.example", "localhost.rebound.example:1"):
        with nothing_arrives(stage):
            assert (await attack(stage, {"host": host})).reasons == ["host_refused"]


@holds("RUSTSEC-2026-0189")
async def test_two_hosts_or_none_are_refused(stage: Stage) -> None:
    with nothing_arrives(stage):
        assert (await attack(stage, lines="Host: evil.example\r\n")).status == 400
        assert (await attack(stage, {"host": None})).status == 400


ORIGINS = ["https://evil.example", "null", "{url}", "{url}.evil.example", "http://a@{own}", "file://", "", "*", "{own}"]


@pytest.mark.parametrize("origin", ORIGINS)
@holds("CVE-2025-66414", "CVE-2026-34742", "CVE-2026-33252", "CVE-2026-59950")
async def test_a_page_of_a_browser_is_refused(stage: Stage, origin: str) -> None:
    own = stage.url.removeprefix("http://")
    with nothing_arrives(stage):
        answer = await attack(stage, {"origin": origin.format(url=stage.url, own=own)})
    assert (answer.status, answer.reasons) == (403, ["origin_refused"])
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_cve_2026_34237_no_answer_allows_another_origin(stage: Stage) -> None:
    for verb in (b"OPTIONS", b"GET"):
        preflight = post(f"/{ROUTE}/mcp", {**headers_of(stage), "origin": "https://evil.example"}, b"")
        answer = await send(stage.url, preflight.replace(b"POST", verb, 1))
        assert answer.status == 405
        assert not any(name.startswith("access-control") for name in answer.headers)


async def test_cve_2026_59950_no_connection_becomes_a_web_socket(stage: Stage) -> None:
    asked = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"
    with nothing_arrives(stage):
        assert (await attack(stage, lines=asked)).status == 400
        assert (await attack(stage, lines="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n")).status == 400


@pytest.mark.parametrize(
    "header",
    [
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-path",
    ],
)
async def test_a_header_that_frameworks_obey_changes_no_verb_and_no_path(stage: Stage, header: str) -> None:
    value = "DELETE" if "method" in header else "/toolsets/desks/mcp"
    assert (await attack(stage, {header: value})).status == 200
    with nothing_arrives(stage):
        head = post(f"/{ROUTE}/mcp", {**headers_of(stage), header: "POST"}, BODY).replace(b"POST", b"GET", 1)
        assert (await send(stage.url, head)).status == 405
        assert (await attack(stage, {header: f"/{ROUTE}/mcp"}, path="/nowhere")).status == 404


_FORWARDED = {
    "x-forwarded-host": "{own}",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "https",
    "x-forwarded-server": "{own}",
    "x-forwarded-user": "ada",
    "x-remote-user": "ada",
    "x-real-ip": "127.0.0.1",
    "forwarded": "for=127.0.0.1;host={own};proto=https",
    "via": "1.1 {own}",
}


async def test_cve_2026_49468_what_a_proxy_would_add_is_not_believed(stage: Stage) -> None:
    own = stage.url.removeprefix("http://")
    forwarded = {name: value.format(own=own) for name, value in _FORWARDED.items()}
    with nothing_arrives(stage):
        assert (await attack(stage, {**forwarded, "host": "evil.example"})).reasons == ["host_refused"]
        answer = await attack(stage, {**forwarded, "x-forwarded-host": "evil.example", "authorization": None})
    assert (answer.status, answer.reasons) == (401, ["token_missing"])
    assert "evil.example" not in str(answer.headers)
    assert f'resource_metadata="{stage.url}/' in answer.headers["www-authenticate"]


async def test_ghsa_g53w_w6mj_hrpp_no_header_chooses_a_server_or_reaches_one(stage: Stage) -> None:
    inner = {"mcp-init-host": "evil.example", "router-key": "secret", "x-mcp-server": "risk", "mcp-authority": "risk"}
    answer = await attack(stage, {**inner, "cookie": "a=b", "proxy-authorization": "Basic eA=="})
    assert answer.status == 200
    arrived = str(stage.world.journal("desk").entries("http")[-1]["headers"])
    for name in (*inner, "cookie", "proxy-authorization", "Bearer"):
        assert name not in arrived
    assert not stage.world.journal("risk").calls("echo", text="attack")


SMUGGLED = {
    "both lengths": "Transfer-Encoding: chunked\r\n",
    "a length twice": "Content-Length: 5\r\n",
    "a coding that is not chunked": "Transfer-Encoding: gzip, chunked\r\n",
    "a folded line": "X: a\r\n b\r\n",
    "a blank before the colon": "Transfer-Encoding : chunked\r\n",
    "bare LF": "X: a\nTransfer-Encoding: chunked\r\n",
    "NUL": "X: \0\r\n",
}


@pytest.mark.parametrize("what", SMUGGLED)
async def test_a_request_with_two_ends_is_refused_and_what_follows_it_is_not_read(stage: Stage, what: str) -> None:
    first = post(f"/{ROUTE}/mcp", headers_of(stage), BODY)
    with nothing_arrives(stage):
        async with line(stage.url) as connection:
            lined = SMUGGLED[what].encode("latin-1")
            await connection.write(first.replace(b"\r\n", b"\r\n" + lined, 1) + first)
            answer = await connection.reply()
            assert (answer.status, answer.headers["connection"]) == (400, "close")
            assert await connection.ended() == b""


async def test_a_trailer_is_no_header(stage: Stage) -> None:
    unlengthed = {"content-length": None, "transfer-encoding": "chunked", "authorization": None}
    body = b"%x\r\n%b\r\n0\r\nAuthorization: Bearer %b\r\n\r\n" % (len(BODY), BODY, stage.token().encode())
    with nothing_arrives(stage):
        assert (await attack(stage, unlengthed, body)).status == 400


MISMATCHES: dict[str, dict[str, str | None]] = {
    "another method": {"mcp-method": "tools/list"},
    "another case": {"mcp-method": "Tools/Call"},
    "no method": {"mcp-method": None},
    "another name": {"mcp-name": "wipe"},
    "a name in another case": {"mcp-name": "Echo"},
    "a name with a dot behind": {"mcp-name": "echo."},
    "a name in base64, spelled otherwise": {"mcp-name": "=?BASE64?ZWNobw==?="},
    "a name in base64 with a blank": {"mcp-name": "=?base64?ZWNo bw==?="},
    "a name in base64 of another name": {"mcp-name": "=?base64?d2lwZQ==?="},
    "a name in base64 that is no UTF-8": {"mcp-name": "=?base64?//79?="},
    "an empty name in base64": {"mcp-name": "=?base64??="},
    "no name": {"mcp-name": None},
    "two names": {"mcp-name": "echo, wipe"},
    "another version": {"mcp-protocol-version": "2025-11-25"},
    "a version that there is not": {"mcp-protocol-version": "2099-01-01"},
    "two versions": {"mcp-protocol-version": "2026-07-28, 2025-11-25"},
    "no version": {"mcp-protocol-version": None},
}


@pytest.mark.parametrize("what", MISMATCHES)
async def test_a_header_that_contradicts_the_body_never_reaches_a_server(stage: Stage, what: str) -> None:
    with nothing_arrives(stage):
        answer = await attack(stage, MISMATCHES[what])
    assert (answer.status, answer.reasons) == (400, ["header_mismatch"])


@pytest.mark.parametrize("name", ["Mcp-Name", "MCP-METHOD", "mcp-protocol-version", "Authorization", "Mcp-Session-Id"])
async def test_a_routing_header_that_comes_twice_is_refused(stage: Stage, name: str) -> None:
    with nothing_arrives(stage):
        lines = f"{name}: echo\r\n{name}: echo\r\n" if name == "Mcp-Session-Id" else f"{name}: echo\r\n"
        answer = await attack(stage, lines=lines)
    assert (answer.status, answer.reasons) == (400, ["header_mismatch"])


async def test_the_attacks_fail_for_the_reason_that_they_test(stage: Stage) -> None:
    before = len(seen(stage))
    answer = await attack(stage)
    assert answer.status == 200
    assert b"attack" in answer.body
    assert len(seen(stage)) > before
